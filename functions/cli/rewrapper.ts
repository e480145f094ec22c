/** Who rewraps many values: the keyring in this process, or a deployment over HTTP, some values at a time. */
import type { Bytes } from '../../src/core/bytes.ts'
import { KeyringError } from '../../src/core/errors.ts'
import type { KeyringErrorCode } from '../../src/core/errors.ts'
import type { Audit } from '../../src/core/ports.ts'
import { parseEk1 } from '../../src/crypto/ek1.ts'
import type { Keyring } from '../../src/keyring/keyring.ts'
import type { KeyringClient } from './client.ts'
import { Failure } from './failure.ts'

export interface BoundValue {
  readonly ciphertext: string
  readonly context: Bytes
}

/** `changed` false = it is under the active key already. */
export type Rewrapped =
  | { readonly ciphertext: string; readonly changed: boolean }
  | { readonly code: string; readonly detail: string }

/** In the order of the values. @throws what concerns more than one value: then none is done. */
export type Rewrapper = (values: readonly BoundValue[]) => Promise<readonly Rewrapped[]>

/** What one value alone is to blame for. */
const OF_A_VALUE: ReadonlySet<string> = new Set<KeyringErrorCode>([
  'ERR_CIPHERTEXT_INVALID',
  'ERR_DECRYPT_FAILED',
  'ERR_KEY_MISMATCH',
  'ERR_KEY_NOT_FOUND',
  'ERR_BODY_TOO_LARGE',
  'ERR_REQUEST_INVALID',
  'ERR_TEXT_INVALID',
])

/** In this process; the audit log hears of each batch. */
export function ownRewrapper(keyring: Keyring, audit: Pick<Audit, 'note'>): Rewrapper {
  const one = async ({ ciphertext, context }: BoundValue, active: string | null): Promise<Rewrapped> => {
    try {
      if (active !== null && parseEk1(ciphertext).id === active) return { ciphertext, changed: false }
      const { plaintext } = await keyring.decrypt(ciphertext, context)
      return { ciphertext: (await keyring.encrypt(plaintext, context)).ciphertext, changed: true }
    } catch (error) {
      if (!(error instanceof KeyringError) || !OF_A_VALUE.has(error.code)) throw error
      return { code: error.code, detail: error.message }
    }
  }
  return async (values) => {
    const active = (await keyring.record())?.active ?? null
    const rewrapped: Rewrapped[] = []
    for (const value of values) rewrapped.push(await one(value, active))
    const count = rewrapped.filter((each) => 'changed' in each && each.changed).length
    const event = { time: Date.now(), request: crypto.randomUUID(), caller: 'cli', action: 'rewrap' }
    if (count > 0) audit.note({ ...event, keyring: keyring.name, keyId: active, count, outcome: 'ok', code: null })
    return rewrapped
  }
}

/** Requests at one time. */
const AT_ONCE = 16

/** Over HTTP, a value in two requests: decrypt and encrypt. */
export function farRewrapper(client: KeyringClient): Rewrapper {
  /** As the last answer said it: a value that is under it already is left. */
  let active: string | null = null
  const one = async ({ ciphertext, context }: BoundValue): Promise<Rewrapped> => {
    try {
      if (active !== null && ciphertext.startsWith(`ek1.${active}.`) && parseEk1(ciphertext).id === active)
        return { ciphertext, changed: false }
      const { plaintext } = await client.decrypt(ciphertext, context)
      const encrypted = await client.encrypt(plaintext, context)
      active = encrypted.key_id
      return { ciphertext: encrypted.ciphertext, changed: true }
    } catch (error) {
      const { code, detail } = error instanceof Failure ? error.document : {}
      if (typeof code !== 'string' || !OF_A_VALUE.has(code)) throw error
      return { code, detail: String(detail) }
    }
  }
  return async (values) => {
    const rewrapped: Rewrapped[] = []
    let next = 0
    const work = async () => {
      for (let at = next++; at < values.length; at = next++) {
        const value = values[at]
        if (value !== undefined) rewrapped[at] = await one(value)
      }
    }
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, values.length) }, work))
    return rewrapped
  }
}
