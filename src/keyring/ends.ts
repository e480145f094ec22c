/** What ends of a keyring: what was seen on the way to its source, and what its rotations tell. */
import type { End } from '../core/ends.ts'
import type { ApiToken } from '../core/api-token.ts'
import type { Finding } from '../core/findings.ts'
import { endLine, warningsOf } from '../core/warnings.ts'
import type { NextTry, SyncStatus } from '../core/operations.ts'
import type { Clock } from '../core/ports.ts'
import { ageOf } from '../core/time.ts'
import type { StatusLog } from './status-log.ts'
import { isTime } from './last-sync.ts'
import { silentFrom } from './status.ts'

const DAY_MS = 86_400_000

/** A rotation that is a day late is over. The room for versions is over with the last rotation that has some. */
export function endsOf(status: SyncStatus & Pick<NextTry, 'silentFrom'>): readonly End[] {
  const { ahead, rotation, lastAttempt, silentFrom } = status
  const { last = null, next = null, left = null } = rotation ?? {}
  const lastWithRoom = left === 0 ? (last ?? lastAttempt) : left === 1 ? next : null
  return [...(ahead?.ends ?? []), ...ofTime(next, late), ...ofTime(lastWithRoom, full), ...ofTime(silentFrom, silent)]
}

const ofTime = (at: number | null, end: (at: number) => End): End[] => (at === null ? [] : [end(at)])

const late = (next: number): End => ({
  what: 'rotation',
  name: null,
  words: 'The time for the rotation',
  remedy: 'Does the schedule run? edge-keyring rotate --dry-run says what is in the way.',
  since: next,
  at: next + DAY_MS,
})

const full = (at: number): End => ({
  what: 'versions',
  name: null,
  words: 'The room for versions at Vault',
  remedy:
    'The rotation after that would prune a key: raise max_versions of the secret, or remove keys that nobody needs; edge-keyring rotate --dry-run looks again.',
  since: null,
  at,
})

/** Nobody hears of it before. */
const silent = (at: number): End => ({
  what: 'pusher',
  name: null,
  words: 'The time for a push',
  remedy: 'Look at what runs "edge-keyring push".',
  since: at,
  at,
})

export const endsOfTokens = (tokens: readonly ApiToken[]): readonly End[] =>
  tokens.flatMap(({ name, expiresAt: at }) => (at === null ? [] : [{ ...TOKEN, name, at }]))

const TOKEN = {
  what: 'api-token',
  words: 'The API token',
  remedy: 'Add another one to KEYRING_API_TOKENS, and give that to its callers.',
  since: null,
} as const

interface LookParts {
  readonly keyring: string
  readonly log: StatusLog
  readonly clock: Clock
  /** On the way to the source just now. */
  readonly found: readonly Finding[]
  readonly apiTokens: readonly ApiToken[]
  readonly syncPeriodMs: number | null
  readonly tell: (line: string) => void
}

/** The doctor's findings. A failure on the way has hidden what ends; that of the login of rotations hides nothing else. */
export async function noteFound(log: StatusLog, found: readonly Finding[]): Promise<void> {
  if (found.every(({ check, outcome }) => outcome !== 'failed' || check === 'rotation'))
    await log.noteEnds(seenBy(found, await log.read()), false)
}

/** The login of rotations may be known elsewhere alone, or may have failed: then what was known of it stays. What ends at no time there is, is left out, because the status could not be read with it. */
function seenBy(found: readonly Finding[], { ahead }: SyncStatus): readonly End[] {
  const isUnseen = found.some(({ check, ends }) => check === 'rotation' && ends === undefined)
  const known = isUnseen ? (ahead?.ends ?? []).filter(({ name }) => name === 'rotation') : []
  return [...found.flatMap(({ ends = [] }) => ends.filter(({ at }) => isTime(at))), ...known]
}

/** The log hears of what concerns all keyrings by the first of them. */
export async function tellEnds({
  keyring,
  log,
  clock,
  found,
  apiTokens,
  syncPeriodMs,
  tell,
}: LookParts): Promise<void> {
  const [status, now] = [await log.read(), clock.now()]
  const isSaid = isSayingDue(status, now)
  const seen = seenBy(found, status)
  await log.noteEnds(seen, isSaid)
  if (!isSaid) return
  for (const warning of warningsOf(
    endsOf({ ...status, ahead: null, silentFrom: silentFrom(status, syncPeriodMs) }),
    now,
  ))
    tell(endLine(keyring, warning))
  if (keyring !== 'default') return
  for (const warning of warningsOf([...seen, ...endsOfTokens(apiTokens)], now)) tell(endLine(null, warning))
}

const isSayingDue = ({ ahead }: SyncStatus, now: number): boolean => ahead === null || ageOf(ahead.said, now) >= DAY_MS
