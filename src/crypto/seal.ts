/** Everything stored of one keyring is sealed here, under a key derived for that keyring alone (docs/formats.md). */
import type { Awaitable } from '../core/awaitable.ts'
import { andThen } from '../core/awaitable.ts'
import { KeyringError } from '../core/errors.ts'
import { decodeUtf8, utf8 } from '../core/bytes.ts'
import type { Cipher, Hash, KeyMaterial } from '../core/ports.ts'
import { Secret } from '../core/secret.ts'
import { commitmentOf, materialFromBytes, revealMaterial } from './material.ts'
import type { WrappingKey } from '../core/wrapping-key.ts'
import type { Purpose, Wrap } from './wrapping.ts'
import { derivedKey, isFor, wrap } from './wrapping.ts'

export { isOther, parseSigned } from './wrapping.ts'
export type { KeyChecks } from './wrapping.ts'
export type { WrappingKey } from '../core/wrapping-key.ts'

/** One keyring's record is sealed with this: one wrapping key's pair of subkeys. */
interface Sealer extends Wrap {
  /** @throws `ERR_RECORD_INVALID`. */
  openMaterial(keyId: string, sealed: string, weak: boolean): Awaitable<KeyMaterial>
}

/** The first one seals. Each opens what names it by its id, and none is tried on anything else. */
export interface SealerSet {
  readonly first: Sealer
  /** In the order of the settings. */
  readonly ids: readonly string[]
  /** @throws `ERR_WRAPPING_KEY_MISSING`. */
  byId(id: string): Sealer
}

export async function sealers(
  cipher: Cipher,
  hash: Hash,
  keys: readonly WrappingKey[],
  keyring: string,
): Promise<SealerSet> {
  const purpose: Purpose = { label: `keyring/${keyring}`, format: 'ekr1', bound: ['ekr1/key', keyring] }
  const usable = keys.filter(isFor(purpose.label))
  const made = await Promise.all(
    usable.map(async (key) => {
      const root = await derivedKey(cipher, key, purpose.label)
      return keyringSealer(cipher, await wrap(cipher, hash, key.id, root, purpose))
    }),
  )
  const [first] = made
  if (first === undefined)
    throw new KeyringError('ERR_WRAPPING_KEY_MISSING', `The settings have no wrapping key for keyring "${keyring}".`, {
      facts: { keyring },
    })
  const byId = new Map(made.map((sealer) => [sealer.wrappingKeyId, sealer]))
  return {
    first,
    ids: [...byId.keys()],
    byId(id) {
      const sealer = byId.get(id)
      if (sealer === undefined) throw missing(keyring, id)
      return sealer
    },
  }
}

const keyringSealer = (cipher: Cipher, by: Wrap): Sealer => ({
  ...by,

  openMaterial: (keyId, sealed, weak) =>
    andThen(by.open(keyId, sealed), (raw) => {
      if (raw === null)
        throw new KeyringError('ERR_RECORD_INVALID', `The stored key "${keyId}" does not open.`, {
          facts: { id: keyId },
        })
      return andThen(commitmentOf(cipher, raw), (commitment) => materialFromBytes(raw, commitment, weak))
    }),
})

/** Whoever only uses keys has no need of it, as of what follows: a bundle leaves them out. */
export const sealMaterial = (by: Sealer, keyId: string, material: KeyMaterial): Promise<string> =>
  by.seal(keyId, revealMaterial(material))

/** No key has such an id. */
const intentName = (keyId: string): string => `intent ${keyId}`

/** Seals a key string that is to be written to the source. */
export const sealText = (by: Sealer, keyId: string, text: Secret): Promise<string> =>
  by.seal(intentName(keyId), utf8(text.reveal()))

/** @throws `ERR_RECORD_INVALID`. */
export async function openText(by: Sealer, keyId: string, sealed: string): Promise<Secret> {
  const raw = await by.open(intentName(keyId), sealed)
  const text = raw && decodeUtf8(raw)
  if (text === null) throw new KeyringError('ERR_RECORD_INVALID', `The intent of key "${keyId}" does not open.`)
  return new Secret(text)
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
