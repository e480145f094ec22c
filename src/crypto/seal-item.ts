/** Small items are sealed whole here: those of the Vault login (`ekt1`, docs/formats.md), and secrets that references gave (`ekx1`). */
import type { Bytes } from '../core/bytes.ts'
import { decodeUtf8, toBase64url, utf8 } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import type { Cipher, Hash } from '../core/ports.ts'
import type { WrappingKey } from '../core/wrapping-key.ts'
import type { Purpose, Wrap } from './wrapping.ts'
import { derivedKey, isFor, parseSigned, wrap } from './wrapping.ts'

/** What items are for. */
export interface ItemPurpose extends Purpose {
  /** For people. */
  readonly of: string
}

const LABEL = 'vault-login'
const LOGIN: ItemPurpose = {
  label: LABEL,
  format: 'ekt1',
  bound: ['ekt1/item', LABEL],
  of: 'the Vault login',
}

/** @param vault the prefix of its entity. */
export const secretsOf = (vault: string): ItemPurpose => ({
  label: `secrets/${vault}`,
  format: 'ekx1',
  bound: ['ekx1/secret', vault],
  of: `the vault "${vault}"`,
})

type ItemKey = Pick<Wrap, 'wrappingKeyId' | 'check' | 'sign' | 'verify'>

export interface ItemSealer {
  /** The first one seals. */
  readonly keys: readonly [ItemKey, ...ItemKey[]]
  /** Seals under the first wrapping key. */
  seal(name: string, text: string): Promise<Bytes>
  /** @throws `ERR_RECORD_INVALID`, `ERR_WRAPPING_KEY_MISSING`. */
  open(name: string, stored: Bytes): Promise<string>
  /** What is signed and not sealed, in another format. @throws as `open`. */
  verify(format: string, stored: Bytes): Promise<string>
  /**
   * One under each wrapping key, the first's first: 22 characters that are others for another text, and tell nothing about it to
   * whoever lacks that key.
   */
  fingerprints(text: string): Promise<readonly string[]>
}

/** @throws `ERR_WRAPPING_KEY_MISSING` where there are only keys that were derived for something else. */
export async function itemSealer(
  cipher: Cipher,
  hash: Hash,
  keys: readonly WrappingKey[],
  purpose = LOGIN,
): Promise<ItemSealer> {
  const { label, format, of } = purpose
  const usable = keys.filter(isFor(label))
  const made = await Promise.all(
    usable.map(async (key) => {
      const root = await derivedKey(cipher, key, label)
      const nameKey = await cipher.derive(root, `${format}/name`, 32)
      return { nameKey, wrap: await wrap(cipher, hash, key.id, root, purpose) }
    }),
  )
  const [first, ...others] = made
  if (first === undefined) throw missing(of, 'any')
  const altered = () => new KeyringError('ERR_RECORD_INVALID', `What is stored of ${of} was altered.`)
  const verified = async (expected: string, stored: Bytes) => {
    const signed = parseSigned(stored)
    const by = made.find(({ wrap }) => wrap.wrappingKeyId === signed.wrappingKeyId)?.wrap
    if (by === undefined) throw missing(of, signed.wrappingKeyId)
    const text = signed.format === expected ? await by.verify(signed) : null
    if (text === null) throw altered()
    return { by, text }
  }
  return {
    keys: [first.wrap, ...others.map((each) => each.wrap)],

    seal: async (name, text) => first.wrap.sign(format, await first.wrap.seal(name, utf8(text))),

    async open(name, stored) {
      const { by, text: sealed } = await verified(format, stored)
      const opened = await by.open(name, sealed)
      const text = opened && decodeUtf8(opened)
      if (text === null) throw altered()
      return text
    },

    verify: async (expected, stored) => (await verified(expected, stored)).text,

    fingerprints: (text) =>
      Promise.all(made.map(async ({ nameKey }) => toBase64url((await hash.hmac(nameKey, utf8(text))).subarray(0, 16)))),
  }
}

function missing(of: string, id: string): KeyringError {
  return new KeyringError(
    'ERR_WRAPPING_KEY_MISSING',
    `What is stored of ${of} needs the wrapping key "${id}", which is not configured.`,
    { facts: { wrappingKey: id } },
  )
}
