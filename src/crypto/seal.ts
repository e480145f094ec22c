/** Everything stored of one keyring is sealed here, under a key derived for that keyring alone (docs/formats.md). */
import type { Bytes } from '../core/bytes.ts'
import { concat, decodeUtf8, fromBase64, fromBase64url, toBase64url, utf8 } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import type { Cipher, CipherKey, Hash, KeyMaterial } from '../core/ports.ts'
import type { Secret } from '../core/secret.ts'
import { commitmentOf, materialFromBytes, revealMaterial } from './material.ts'
import { NONCE_BYTES } from './xaes.ts'

/** `keyring` null = the wrapping key itself, good for all keyrings; else the key derived from it for that one. */
export interface WrappingKey {
  readonly id: string
  readonly keyring: string | null
  /** Base64 of 32 bytes. */
  readonly key: Secret
}

/** What one keyring's record is sealed with: one wrapping key's pair of subkeys. */
interface Sealer {
  readonly wrappingKeyId: string
  sealMaterial(keyId: string, material: KeyMaterial): Promise<string>
  /** @throws `ERR_RECORD_INVALID`. */
  openMaterial(keyId: string, sealed: string, weak: boolean): Promise<KeyMaterial>
  /** `<format> <wrapping-key id> <mac>` LF, then the text. */
  sign(format: string, text: string): Promise<Bytes>
  /** `null` = the MAC does not hold. */
  verify(signed: Signed): Promise<string | null>
}

/** The first seals; all open, by id and never by trial. */
export interface SealerSet {
  readonly first: Sealer
  /** @throws `ERR_WRAPPING_KEY_MISSING`. */
  byId(id: string): Sealer
}

interface Signed {
  readonly format: string
  readonly wrappingKeyId: string
  readonly mac: string
  readonly text: Bytes
}

export async function sealers(
  cipher: Cipher,
  hash: Hash,
  keys: readonly WrappingKey[],
  keyring: string,
): Promise<SealerSet> {
  const usable = keys.filter((key) => key.keyring === null || key.keyring === keyring)
  const made = await Promise.all(
    usable.map(async (key) => makeSealer(cipher, hash, key.id, keyring, await keyringKey(cipher, key, keyring))),
  )
  const [first] = made
  if (first === undefined) throw missing(keyring, 'any')
  const byId = new Map(made.map((sealer) => [sealer.wrappingKeyId, sealer]))
  return {
    first,
    byId(id) {
      const sealer = byId.get(id)
      if (sealer === undefined) throw missing(keyring, id)
      return sealer
    },
  }
}

/** What a function that only uses this keyring can be given in place of the wrapping key. */
async function keyringKey(cipher: Cipher, wrappingKey: WrappingKey, keyring: string): Promise<Bytes> {
  const raw = fromBase64(wrappingKey.key.reveal())
  if (raw === null) throw new TypeError('A wrapping key that the settings did not check.')
  return wrappingKey.keyring === null ? cipher.derive(raw, `keyring/${keyring}`, 32) : raw
}

/** Reads the signed form and believes nothing yet. @throws `ERR_RECORD_INVALID`. */
export function parseSigned(bytes: Bytes): Signed {
  const end = bytes.indexOf(0x0a)
  const [format, wrappingKeyId, mac, ...rest] = (decodeUtf8(bytes.subarray(0, Math.max(end, 0))) ?? '').split(' ')
  if (!format || !wrappingKeyId || !mac || rest.length > 0)
    throw new KeyringError('ERR_RECORD_INVALID', 'The stored record has no valid first line.')
  return { format, wrappingKeyId, mac, text: bytes.subarray(end + 1) }
}

async function makeSealer(cipher: Cipher, hash: Hash, id: string, keyring: string, root: Bytes): Promise<Sealer> {
  const sealKey: CipherKey = await cipher.importKey(await cipher.derive(root, 'ekr1/seal', 32))
  const macKey = await cipher.derive(root, 'ekr1/mac', 32)
  const aad = (keyId: string): Bytes => fields('ekr1/key', keyring, keyId, id)
  const macOf = (format: string, text: Bytes) => hash.hmac(macKey, concat(utf8(`${format} ${id}\n`), text))
  return {
    wrappingKeyId: id,

    async sealMaterial(keyId, material) {
      const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES))
      return toBase64url(concat(nonce, await cipher.seal(sealKey, nonce, revealMaterial(material), aad(keyId))))
    },

    async openMaterial(keyId, sealed, weak) {
      const bytes = fromBase64url(sealed)
      const raw =
        bytes && (await cipher.open(sealKey, bytes.subarray(0, NONCE_BYTES), bytes.subarray(NONCE_BYTES), aad(keyId)))
      if (raw === null)
        throw new KeyringError('ERR_RECORD_INVALID', `The stored key "${keyId}" does not open.`, {
          facts: { id: keyId },
        })
      return materialFromBytes(raw, await commitmentOf(cipher, raw), weak)
    },

    async sign(format, text) {
      const body = utf8(text)
      return concat(utf8(`${format} ${id} ${toBase64url(await macOf(format, body))}\n`), body)
    },

    async verify({ format, mac, text }) {
      const expected = await macOf(format, text)
      const given = fromBase64url(mac)
      return given !== null && (await hash.equal(expected, given)) ? decodeUtf8(text) : null
    },
  }
}

/** Each field behind its length in one byte: no two lists give the same bytes. */
function fields(...texts: readonly string[]): Bytes {
  return concat(...texts.flatMap((text) => [new Uint8Array([utf8(text).length]), utf8(text)]))
}

function missing(keyring: string, id: string): KeyringError {
  return new KeyringError(
    'ERR_WRAPPING_KEY_MISSING',
    `The record of keyring "${keyring}" needs the wrapping key "${id}", which is not configured.`,
    {
      facts: { keyring, wrappingKey: id },
    },
  )
}
