/** When a keyring was last synced: all of the status record that concerns whoever only uses the keyring. */
import { parseJson } from '../core/body.ts'
import { settle } from '../core/errors.ts'
import { MOST_TIME } from '../core/limits.ts'
import type { Clock, ReadableStore, StoredRecord } from '../core/ports.ts'
import { isAhead } from '../core/time.ts'
import type { SealerSet } from '../crypto/seal.ts'
import { parseSigned } from '../crypto/seal.ts'

export const STATUS_FORMAT = 'eks1'

/** Its name in a store. */
export const statusName = (keyring: string): string => `status/${keyring}`

export const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0
export const isTime = (value: unknown): boolean => isCount(value) && Number(value) <= MOST_TIME

/** '' = it is not ours. */
export async function statusText(sealers: SealerSet, { bytes }: StoredRecord): Promise<string> {
  const text = await settle(() => {
    const signed = parseSigned(bytes)
    return signed.format === STATUS_FORMAT ? sealers.byId(signed.wrappingKeyId).verify(signed) : null
  })
  return (text.ok && text.value) || ''
}

/** `null` = never, as far as can be believed. @throws `ERR_STORE_UNAVAILABLE`. */
export async function lastSync(
  { store, clock }: { readonly store: ReadableStore; readonly clock: Pick<Clock, 'now'> },
  sealers: SealerSet,
  keyring: string,
): Promise<number | null> {
  const stored = await store.get(statusName(keyring))
  const fields = stored && (parseJson(await statusText(sealers, stored)) as { readonly lastSuccess?: unknown } | null)
  const time = fields?.lastSuccess
  return typeof time === 'number' && isTime(time) && !isAhead(time, clock.now()) ? time : null
}
