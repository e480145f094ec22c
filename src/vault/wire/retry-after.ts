/** `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date. */

/** Nobody is waited for longer, in seconds: a clock that is wrong by a year may have made the date. */
const MOST = 86_400

/** @param now milliseconds since 1970; the sender's own `Date` goes before it, so that only one clock counts. @returns seconds; `null` = it says none. */
export function retryAfter(headers: Headers, now: number): number | null {
  const text = headers.get('retry-after') ?? ''
  if (/^\d{1,6}$/.test(text)) return Math.min(MOST, Number(text))
  const [until, sent] = [dateIn(text), dateIn(headers.get('date') ?? '')]
  if (until === null) return null
  return Math.min(MOST, Math.max(0, Math.ceil((until - (sent ?? now)) / 1000)))
}

/** Alone what begins with the name of a day is a date: others would read a number as a year. */
function dateIn(text: string): number | null {
  const date = /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? null : date
}
