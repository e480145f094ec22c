/** What keys are used for over HTTP: one value, the items of a batch, or raw bytes; alike for encrypt, decrypt and rewrap. */
import type { Awaitable } from '../core/awaitable.ts'
import { andThen } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import { decodeUtf8, fromBase64, toBase64, utf8 } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import type { ErrorData } from '../core/errors.ts'
import { MAX_HEADER_CONTEXT_BYTES, MAX_PLAINTEXT_BYTES, MAX_RAW_BYTES } from '../core/limits.ts'
import type { Sealed, ValueKeyring } from '../keyring/batch.ts'
import { outcomesOf, rewrapped, settleEach } from '../keyring/batch.ts'
import type { Decrypted, Encrypted } from '../keyring/sync-keyring.ts'
import { RAW_TYPE, isRaw, withBody, withRaw } from './body.ts'
import type { Call, Context } from './call.ts'
import type { Reply } from './reply.ts'
import { Room, refuseLarge, refuseLongContext, writtenText } from './room.ts'
import { base64Field, batchBody, contextBytes, decryptBody, encryptBody, parseBody, rewrapBody } from './schema.ts'

/** Text is encrypted as UTF-8. */
interface Plain {
  readonly plaintext: Bytes | string
  readonly context: Bytes
}

interface SealedAs extends Sealed {
  readonly encoding: 'text' | 'base64'
}

/** `Item` is what a use takes, `Made` what it gives. */
interface Use<Item, Made extends { readonly keyId: string }> {
  /** @param what is said of the fields in sentences. */
  readonly read: (fields: unknown, what: 'body' | 'item') => Item
  readonly readRaw: (bytes: Bytes, context: Bytes) => Item
  readonly work: (keyring: ValueKeyring, item: Item) => Awaitable<Made>
  readonly show: (made: Made, item: Item) => object
  readonly showRaw: (made: Made) => Bytes
  /** What the items of a batch come to. @throws `ERR_BODY_TOO_LARGE`. */
  readonly weigh: (room: Room, item: Item, made: Made) => void
}

const asSealed = (bytes: Bytes, context: Bytes): Sealed => ({ ciphertext: decodeUtf8(bytes) ?? '', context })
const shownCiphertext = ({ ciphertext, keyId }: Encrypted) => ({ ciphertext, key_id: keyId })
const ciphertextBytes = ({ ciphertext }: Encrypted): Bytes => utf8(ciphertext)

const encrypting: Use<Plain, Encrypted> = {
  read(fields, what) {
    const read = parseBody(encryptBody, fields, what)
    const context = contextBytes(read)
    const plaintext = read.encoding === 'text' ? read.plaintext : base64Field('plaintext', read.plaintext)
    refuseLarge(plaintext, MAX_PLAINTEXT_BYTES)
    refuseLongContext(context)
    return { plaintext, context }
  },
  readRaw(plaintext, context) {
    refuseLarge(plaintext, MAX_RAW_BYTES)
    return { plaintext, context }
  },
  work: (keyring, { plaintext, context }) => keyring.encrypt(plaintext, context),
  show: shownCiphertext,
  showRaw: ciphertextBytes,
  weigh: (room, { plaintext, context }) => room.takesBack(plaintext, context),
}

const decrypting: Use<SealedAs, Decrypted> = {
  read(fields, what) {
    const read = parseBody(decryptBody, fields, what)
    return { ciphertext: read.ciphertext, encoding: read.encoding, context: contextBytes(read) }
  },
  readRaw: (bytes, context) => ({ ...asSealed(bytes, context), encoding: 'base64' }),
  work: (keyring, { ciphertext, context }) => keyring.decrypt(ciphertext, context),
  show({ plaintext, keyId }, { encoding }) {
    const text = encoding === 'base64' ? toBase64(plaintext) : writtenText(plaintext)
    return { plaintext: text, encoding, key_id: keyId }
  },
  showRaw: ({ plaintext }) => plaintext,
  weigh: (room, { encoding }, { plaintext }) => room.gives(plaintext, encoding),
}

const rewrapping: Use<Sealed, Encrypted> = {
  read(fields, what) {
    const read = parseBody(rewrapBody, fields, what)
    return { ciphertext: read.ciphertext, context: contextBytes(read) }
  },
  readRaw: asSealed,
  work: rewrapped,
  show: shownCiphertext,
  showRaw: ciphertextBytes,
  weigh: () => {},
}

export const [encrypt, decrypt, rewrap] = [handler(encrypting), handler(decrypting), handler(rewrapping)]

function handler<Item, Made extends { readonly keyId: string }>(
  use: Use<Item, Made>,
): (call: Call) => Awaitable<Reply> {
  return (call) =>
    isRaw(call.context)
      ? withRaw(call.context, (bytes) => raw(use, call, bytes))
      : withBody(call.context, (body) => {
          refuseHeader(call.context)
          return isBatch(body) ? batch(use, call, body) : single(use, call, body)
        })
}

const isBatch = (body: unknown): boolean => typeof body === 'object' && body !== null && Object.hasOwn(body, 'items')

function single<Item, Made extends { readonly keyId: string }>(
  { read, work, show }: Use<Item, Made>,
  call: Call,
  body: unknown,
): Awaitable<Reply> {
  const item = read(body, 'body')
  return andThen(work(call.keyring, item), (made) => {
    call.used(made.keyId)
    return { body: show(made, item) }
  })
}

function raw<Item, Made extends { readonly keyId: string }>(
  { readRaw, work, showRaw }: Use<Item, Made>,
  call: Call,
  bytes: Bytes,
): Awaitable<Reply> {
  return andThen(work(call.keyring, readRaw(bytes, headerContext(call.context))), (made) => {
    call.used(made.keyId)
    return { body: showRaw(made), headers: { 'content-type': RAW_TYPE, 'keyring-key-id': made.keyId } }
  })
}

interface Shown {
  readonly keyId: string
  readonly shown: object
}

/** The status is 200 whatever becomes of the items. */
async function batch<Item, Made extends { readonly keyId: string }>(
  { read, work, show, weigh }: Use<Item, Made>,
  call: Call,
  body: unknown,
): Promise<Reply> {
  const { items } = parseBody(batchBody, body)
  const room = new Room(items.length)
  const results = await settleEach(call.keyring, items, (keyring, fields): Awaitable<Shown> => {
    const item = read(fields, 'item')
    return andThen(work(keyring, item), (made) => {
      weigh(room, item, made)
      return { keyId: made.keyId, shown: show(made, item) }
    })
  })
  room.refuse()
  call.usedMany(outcomesOf(results))
  return {
    body: { items: results.map((result) => (result.ok ? result.value.shown : { error: shownError(result.error) })) },
  }
}

const shownError = ({ facts, code, message, remedy }: ErrorData) => ({ ...facts, code, message, remedy })

const CONTEXT = 'keyring-context'

/** A context that nothing would be bound to is refused, never ignored. */
function refuseHeader({ request: { headers } }: Context): void {
  if (headers.has(CONTEXT))
    throw new KeyringError('ERR_REQUEST_INVALID', 'Keyring-Context is for raw bytes: the body has a field for it.')
}

function headerContext({ request: { headers } }: Context): Bytes {
  const context = fromBase64(headers.get(CONTEXT) ?? '')
  if (context === null) throw new KeyringError('ERR_REQUEST_INVALID', 'Keyring-Context is not padded base64.')
  refuseLongContext(context, MAX_HEADER_CONTEXT_BYTES)
  return context
}
