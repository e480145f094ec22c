/** What people hear of what ends by itself, and its line in the log, which stands apart from `lines.ts` because it is needed once a day. */
import type { Band, End } from './ends.ts'
import { bandOf } from './ends.ts'

export interface Warning extends Pick<End, 'what' | 'name' | 'remedy'> {
  readonly at: string
  readonly days: Band
  readonly detail: string
}

export interface Nearing {
  readonly end: End
  readonly days: Band
}

/** What people hear of now, the soonest first. An API token that is over lets nobody in any more, and may stay in the settings. */
export const nearing = (ends: readonly End[], now: number): readonly Nearing[] =>
  ends
    .flatMap((end) => {
      const days = bandOf(end, now)
      return days === null || (days === 0 && end.what === 'api-token') ? [] : [{ end, days }]
    })
    .toSorted((one, other) => one.end.at - other.end.at)

/** The same in words. */
export const warningsOf = (ends: readonly End[], now: number): Warning[] => nearing(ends, now).map(inWords)

function inWords({ end, days }: Nearing): Warning {
  const { what, name, words, remedy } = end
  const at = new Date(end.at).toISOString()
  const detail = `${words}${name === null ? '' : ` "${name}"`} ${days === 0 ? 'was' : 'is'} over at ${at}.`
  return { what, name, at, days, detail, remedy }
}

/** @param keyring `null` = it concerns all. */
export const endLine = (keyring: string | null, { what, name, at, days, detail, remedy }: Warning): string =>
  JSON.stringify({
    time: new Date().toISOString(),
    level: 'warn',
    ends: what,
    name,
    keyring,
    at,
    days,
    message: detail,
    remedy,
  })
