/** What ends by itself, such as a token or a certificate, and how long before that people hear of it: 30, 7 and 1 days. */

const DAY_MS = 86_400_000
const BANDS = [1, 7, 30] as const
/** Days before the end, at most; 0 = it is over. */
export type Band = (typeof BANDS)[number] | 0
/** From here on a person has to do something. */
const NEEDED_DAYS = 7
/** Something renews what lives for a short time, so that of its life only the last quarter counts. */
const LATE = 1 / 4

export interface End {
  readonly what:
    | 'vault-token'
    | 'secret-id'
    | 'client-certificate'
    | 'vault-certificate'
    | 'api-token'
    | 'rotation'
    | 'versions'
    | 'pusher'
  /** Which one, where there are several; `null` = there is one. */
  readonly name: string | null
  /** How people call it. */
  readonly words: string
  /** What to do about it. */
  readonly remedy: string
  /** When its life began, in milliseconds since 1970; `null` = that does not matter. */
  readonly since: number | null
  /** Milliseconds since 1970. */
  readonly at: number
}

/** `null` = not yet. */
export function bandOf({ at, since }: End, now: number): Band | null {
  const left = at - now
  if (left <= 0) return 0
  if (since !== null && left >= (at - since) * LATE) return null
  return BANDS.find((days) => left <= days * DAY_MS) ?? null
}

export const isNeeded = (days: Band | null): boolean => days !== null && days <= NEEDED_DAYS
