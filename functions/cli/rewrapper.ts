/** Who rewraps many values: the keyring in this process, or a deployment over HTTP, some values at a time. */
import type { Awaitable } from '../../src/core/awaitable.ts'
import { andThen } from '../../src/core/awaitable.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { KeyringError } from '../../src/core/errors.ts'
import type { ErrorData, KeyringErrorCode } from '../../src/core/errors.ts'
import type { Audit } from '../../src/core/ports.ts'
import { parseEk1 } from '../../src/crypto/ek1.ts'
import { rewrapped, settleEach } from '../../src/keyring/batch.ts'
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

/** In this process; the audit log hears of each batch. Where nothing waits, no promise is made. */
export function ownRewrapper(keyring: Keyring, audit: Pick<Audit, 'note'>): Rewrapper {
  return async (values) => {
    const active = (await keyring.record())?.active ?? null
    const isLeft = ({ ciphertext }: BoundValue) => active !== null && parseEk1(ciphertext).id === active
    const results = await settleEach(keyring, values, (batch, value): Awaitable<Rewrapped> => {
      if (isLeft(value)) return { ciphertext: value.ciphertext, changed: false }
      return andThen(rewrapped(batch, value), ({ ciphertext }) => ({ ciphertext, changed: true }))
    })
    const all = results.map((result) => (result.ok ? result.value : refused(result.error)))
    const count = all.filter((each) => 'changed' in each && each.changed).length
    const event = { time: Date.now(), request: crypto.randomUUID(), caller: 'cli', action: 'rewrap' }
    if (count > 0) audit.note({ ...event, keyring: keyring.name, keyId: active, count, outcome: 'ok', code: null })
    return all
  }
}

/** @throws what concerns more than one value. */
function refused({ code, message, ...more }: ErrorData): Rewrapped {
  if (!OF_A_VALUE.has(code)) throw new KeyringError(code, message, more)
  return { code, detail: message }
}

/** Requests at one time, and of one request values and characters: an answer is bounded as well. */
const [AT_ONCE, MOST_VALUES, MOST_LENGTH] = [4, 250, 256 * 1024]

/** Over HTTP, in batches. Plaintexts do not leave the deployment. */
export function farRewrapper(client: KeyringClient): Rewrapper {
  /** As the last answer said it: a value that is under it already is left. */
  let active: string | null = null
  const isLeft = ({ ciphertext }: BoundValue): boolean =>
    active !== null && ciphertext.startsWith(`ek1.${active}.`) && keyIdOf(ciphertext) === active
  const answered = async (values: readonly BoundValue[]): Promise<readonly Rewrapped[]> => {
    const results = await client.rewrap(values)
    return results.map((result) => {
      if (result instanceof Failure) return ofValue(result)
      active = result.key_id
      return { ciphertext: result.ciphertext, changed: true }
    })
  }
  /** What one value is to blame for may have been said of all of them. */
  const alone = async (values: readonly BoundValue[], error: unknown): Promise<readonly Rewrapped[]> => {
    const refused = ofValue(error)
    if (values.length === 1) return [refused]
    const half = Math.ceil(values.length / 2)
    return [...(await work(values.slice(0, half))), ...(await work(values.slice(half)))]
  }
  const work = (values: readonly BoundValue[]): Promise<readonly Rewrapped[]> =>
    answered(values).catch((error: unknown) => alone(values, error))
  return async (values) => {
    const done: Rewrapped[] = values.map(({ ciphertext }) => ({ ciphertext, changed: false }))
    const groups = groupsOf([...values.entries()].filter(([, value]) => !isLeft(value)))
    const next = groups.values()
    const worker = async () => {
      for (const group of next) {
        const results = await work(group.map(([, value]) => value))
        for (const [at, result] of results.entries()) done[group[at]?.[0] ?? 0] = result
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    return done
  }
}

type Placed = readonly [place: number, value: BoundValue]

function groupsOf(values: readonly Placed[]): readonly (readonly Placed[])[] {
  const groups: Placed[][] = []
  let length = Number.POSITIVE_INFINITY
  for (const placed of values) {
    const { ciphertext, context } = placed[1]
    const own = ciphertext.length + 2 * context.length
    const last = groups.at(-1)
    length += own
    if (last === undefined || last.length === MOST_VALUES || length > MOST_LENGTH) {
      groups.push([placed])
      length = own
    } else last.push(placed)
  }
  return groups
}

/** @throws what concerns more than one value. */
function ofValue(error: unknown): Rewrapped {
  const { code, detail } = error instanceof Failure ? error.document : {}
  if (typeof code !== 'string' || !OF_A_VALUE.has(code)) throw error
  return { code, detail: String(detail) }
}

function keyIdOf(ciphertext: string): string | null {
  try {
    return parseEk1(ciphertext).id
  } catch {
    return null
  }
}
