/**
 * `edge-keyring kong decrypt`: what Kong's keyring has encrypted at rest (`$ke$1$`), read offline for whoever leaves Kong. The values have no
 * authentication tag, so that whoever could write Kong's database could alter them unseen: no keyring, grant or endpoint reads them.
 */
import { createDecipheriv, createSecretKey, hash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { decodeUtf8, fromBase64 } from '../../src/core/bytes.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { printable } from '../../src/core/printable.ts'
import { failed } from './failure.ts'
import type { NumberedLine } from './ndjson.ts'
import { isExact, jsonOf, linesOf } from './ndjson.ts'

type Keys = ReadonlyMap<string, KeyObject>

/** How Kong makes an AES key of what its key is: the strategy that wrote the data decides. `null` = it cannot be one. */
const FORMS: ReadonlyMap<string, (key: string) => Uint8Array | null> = new Map([
  ['raw', (key: string) => bytesOf32(fromBase64(key))],
  ['sha256', (key: string) => hash('sha256', key, 'buffer')],
])

const bytesOf32 = (bytes: Uint8Array | null): Uint8Array | null => (bytes?.length === 32 ? bytes : null)

/** Decrypts NDJSON from `input` to `output`, line by line. @returns the exit status. @throws `ERR_USAGE`. */
export async function decryptKong(
  keysFile: string,
  input: AsyncIterable<unknown>,
  output: NodeJS.WritableStream,
): Promise<0 | 1> {
  const keys = await keysIn(keysFile)
  const count = { lines: 0, values: 0, refused: 0 }
  const open = (text: string): string => {
    count.values += 1
    return openKe1(keys, text)
  }
  for await (const line of linesOf(input)) {
    count.lines += 1
    try {
      const written = `${JSON.stringify(opened(valueOf(line), open))}\n`
      if (!output.write(written)) await new Promise((resolve) => output.once('drain', resolve))
    } catch (error) {
      if (!(error instanceof KeyringError)) throw error
      count.refused += 1
      console.error(`line ${line.number}: ${error.code}: ${error.message}`)
    }
  }
  console.error(`${count.lines} lines, ${count.values} values of Kong's; ${count.refused} lines left out`)
  return count.refused === 0 ? 0 : 1
}

function valueOf(line: NumberedLine): unknown {
  const value = jsonOf(line, 'exact')
  if (value === undefined) throw new KeyringError('ERR_BODY_MALFORMED', 'The line is not JSON.')
  return value
}

const PREFIX = '$ke$1$-'

/** Every text that begins as Kong's values do is opened, however deep; Kong leaves what it has not written since as it is. */
function opened(value: unknown, open: (text: string) => string): unknown {
  if (typeof value === 'string') return value.startsWith(PREFIX) ? open(value) : value
  if (Array.isArray(value)) return value.map((each) => opened(each, open))
  if (typeof value !== 'object' || value === null || isExact(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, opened(each, open)]))
}

/** `$ke$1$-<key id>-<nonce>-<ciphertext>`, the last two in hex. Where an operator picks the id it may have hyphens. */
function openKe1(keys: Keys, text: string): string {
  const last = text.lastIndexOf('-')
  const first = text.lastIndexOf('-', last - 1)
  const id = text.slice(PREFIX.length, Math.max(first, PREFIX.length))
  const [nonce, ciphertext] = [fromHexText(text.slice(first + 1, last)), fromHexText(text.slice(last + 1))]
  if (id === '' || nonce?.length !== 12 || ciphertext === null)
    throw new KeyringError('ERR_CIPHERTEXT_INVALID', 'A value is not of the form $ke$1$-<key id>-<nonce>-<ciphertext>.')
  const key = keys.get(id)
  if (key === undefined)
    throw new KeyringError('ERR_KEY_NOT_FOUND', `The key "${printable(id, 64)}" is not in the file of --keys.`)
  const plaintext = decodeUtf8(createDecipheriv('aes-256-ctr', key, Buffer.concat([nonce, BLOCK])).update(ciphertext))
  if (plaintext !== null) return plaintext
  throw new KeyringError(
    'ERR_DECRYPT_FAILED',
    `The key "${printable(id, 64)}" gives no text: it is another key, or of the other form.`,
  )
}

/** GCM's own key stream begins with block 2, so that counter mode reads what has no tag. */
const BLOCK = Buffer.from([0, 0, 0, 2])

/** Lower-case hex. `null` = it is none. */
function fromHexText(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'hex')
  return bytes.toString('hex') === text ? bytes : null
}

const LINE = 'a line {"id": …, "key": …, "form": "raw" or "sha256"}'

async function keysIn(file: string): Promise<Keys> {
  const keys = new Map<string, KeyObject>()
  for await (const line of fileLines(file)) {
    const wrong = (what: string) => failed('ERR_USAGE', `Line ${line.number} of the file of --keys ${what}.`)
    const { id, key, form } = keyOn(line) ?? refuse(wrong(`is not ${LINE}`))
    const bytes = (FORMS.get(form) ?? refuse(wrong('has another form than "raw" or "sha256"')))(key)
    if (bytes === null) throw wrong('has a key that is not base64 of 32 bytes, as form "raw" has it')
    if (keys.has(id)) throw wrong('has an id that an earlier line has')
    keys.set(id, createSecretKey(bytes))
    if (form === 'sha256')
      console.error(`note: ${printable(id, 64)}: the form sha256 is as documented, and never tried on a real Kong`)
  }
  if (keys.size === 0) throw failed('ERR_USAGE', `The file of --keys has no key: each is ${LINE}.`)
  return keys
}

function refuse(why: Error): never {
  throw why
}

/** `null` = it is none. */
function keyOn(line: NumberedLine): { id: string; key: string; form: string } | null {
  const { id, key, form } = (jsonOf(line) ?? {}) as Readonly<Record<string, unknown>>
  const isOne = typeof id === 'string' && typeof key === 'string' && typeof form === 'string' && id !== ''
  return isOne ? { id, key, form } : null
}

async function* fileLines(file: string): AsyncGenerator<NumberedLine> {
  try {
    yield* linesOf(createReadStream(file))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (error instanceof Error && 'syscall' in error)
      throw failed('ERR_USAGE', `The file of --keys cannot be read (${code ?? 'for an unknown reason'}).`)
    throw error
  }
}
