/** The Vault token and what else belongs to a login are sealed here, under a label of their own (`ekt1`, docs/formats.md). */
import type { Bytes } from '../core/bytes.ts'
import { decodeUtf8, toBase64url, utf8 } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import type { Cipher, Hash } from '../core/ports.ts'
import type { WrappingKey } from '../core/wrapping-key.ts'
import type { Purpose, Wrap } from './wrapping.ts'
import { derivedKey, parseSigned, wrap } from './wrapping.ts'

const LABEL = 'vault-login'
const PURPOSE: Purpose = { label: LABEL, format: 'ekt1', bound: ['ekt1/item', LABEL] }

type ItemKey = Pick<Wrap, 'wrappingKeyId' | 'check' | 'sign' | 'verify'>

export interface ItemSealer {
  /** The first one seals. */
  readonly keys: readonly [ItemKey, ...ItemKey[]]
  /** Seals under the first wrapping key. */
  seal(name: string, text: string): Promise<Bytes>
  /** @throws `ERR_RECORD_INVALID`, `ERR_WRAPPING_KEY_MISSING`. */
  open(name: string, stored: Bytes): Promise<string>
  /**
   * One under each wrapping key, the first's first: 22 characters that are others for another text, and tell nothing about it to
   * whoever lacks that key.
   */
  fingerprints(text: string): Promise<readonly string[]>
}

/** @throws `ERR_WRAPPING_KEY_MISSING` where there are only keys that were derived for keyrings, because those open no token. */
export async function itemSealer(cipher: Cipher, hash: Hash, keys: readonly WrappingKey[]): Promise<ItemSealer> {
  const whole = keys.filter(({ keyring }) => keyring === null)
  const made = await Promise.all(
    whole.map(async (key) => {
      const root = await derivedKey(cipher, key, LABEL)
      const nameKey = await cipher.derive(root, `${PURPOSE.format}/name`, 32)
      return { nameKey, wrap: await wrap(cipher, hash, key.id, root, PURPOSE) }
    }),
  )
  const [first, ...others] = made
  if (first === undefined) throw missing('any')
  return {
    keys: [first.wrap, ...others.map((each) => each.wrap)],

    seal: async (name, text) => first.wrap.sign(PURPOSE.format, await first.wrap.seal(name, utf8(text))),

    async open(name, stored) {
      const signed = parseSigned(stored)
      const by = made.find(({ wrap }) => wrap.wrappingKeyId === signed.wrappingKeyId)?.wrap
      if (by === undefined) throw missing(signed.wrappingKeyId)
      const sealed = signed.format === PURPOSE.format ? await by.verify(signed) : null
      const opened = sealed === null ? null : await by.open(name, sealed)
      const text = opened && decodeUtf8(opened)
      if (text === null) throw new KeyringError('ERR_RECORD_INVALID', 'What is stored of the Vault login was altered.')
      return text
    },

    fingerprints: (text) =>
      Promise.all(made.map(async ({ nameKey }) => toBase64url((await hash.hmac(nameKey, utf8(text))).subarray(0, 16)))),
  }
}

function missing(id: string): KeyringError {
  return new KeyringError(
    'ERR_WRAPPING_KEY_MISSING',
    `What is stored of the Vault login needs the wrapping key "${id}", which is not configured.`,
    { facts: { wrappingKey: id } },
  )
}
