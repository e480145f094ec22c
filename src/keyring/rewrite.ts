/** Writes a record anew without a look at its source: with a key changed, or as it is, under the first wrapping key. */
import type { Bytes } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import { SYNC_ATTEMPTS } from '../core/limits.ts'
import type { AnswerTo, KeyringChange } from '../core/operations.ts'
import type { Clock, LoginItems, Replica, SharedStore } from '../core/ports.ts'
import type { Doubt } from '../core/time.ts'
import { applyChange } from './change.ts'
import { encryptBoundMs } from './freshness.ts'
import type { Reader } from './reader.ts'
import type { StatusLog } from './status-log.ts'
import type { KeyringRecord } from './record.ts'
import type { EncryptBound } from './stopped.ts'
import { believedStops } from './stopped.ts'
import type { Writer } from './writer.ts'
import type { WrittenLedger } from './written-ledger.ts'

interface RewriteParts {
  readonly keyring: string
  readonly log: StatusLog
  readonly ledger: WrittenLedger
  readonly writer: Writer
}

export interface ChangeParts extends RewriteParts {
  readonly store: SharedStore
  readonly replica: Replica | null
  readonly clock: Clock
  readonly doubt: Doubt
}

/** @returns the sealed record. */
export async function changeKey(parts: ChangeParts, change: KeyringChange): Promise<Bytes> {
  const { keyring, clock, doubt } = parts
  const saved = await rewrite(parts, async (record) => {
    const bound = await boundOf(parts)
    const now = clock.now()
    return applyChange(believedStops(record, now, doubt), change, now, bound)
  })
  if (saved === null) throw new KeyringError('ERR_KEY_NOT_FOUND', `Keyring "${keyring}" has never been synced.`)
  return saved
}

export async function boundOf({ log, replica, store }: ChangeParts): Promise<EncryptBound> {
  return { ms: encryptBoundMs(store), replicated: replica && (await log.read()).replicated }
}

export interface ResealParts extends RewriteParts {
  readonly reader: Reader
  readonly loginItems: LoginItems | null
  readonly putStamp: () => Promise<void>
}

/** The record comes first, because nothing else is lost with a wrapping key. */
export async function resealAll(parts: ResealParts): Promise<AnswerTo<'reseal'>> {
  const { reader, log, loginItems, putStamp } = parts
  const sealed = await rewrite(parts, (record) => record)
  await putStamp()
  const items = await loginItems?.sealAnew()
  await log.reseal(items ?? null)
  const { sealedUnder } = await reader.status()
  return { sealedUnder, sealed }
}

/** Every put seals the whole record under the first wrapping key. `null` = never synced. */
async function rewrite(
  { keyring, ledger, writer }: RewriteParts,
  decide: (record: KeyringRecord) => KeyringRecord | Promise<KeyringRecord>,
): Promise<Bytes | null> {
  for (let attempt = 0; attempt < SYNC_ATTEMPTS; attempt += 1) {
    const loaded = await ledger.load()
    const record = await ledger.draft(loaded)
    if (record === null) return null
    const saved = await writer.save(loaded, await decide(record))
    if (saved !== 'conflict') return saved
  }
  throw new KeyringError('ERR_SYNC_CONTENDED', `Others kept writing keyring "${keyring}".`)
}
