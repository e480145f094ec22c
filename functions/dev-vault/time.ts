/** Times and durations as Go prints and reads them, since Vault is written in Go. */

let last = 0
let fraction = 0

/** The time by RFC 3339 with up to nine digits, and never the same twice: a secret's time of creation tells it from its successor. */
export function timeNow(): string {
  const now = Date.now()
  fraction = now === last ? fraction + 1 : Math.floor(Math.random() * 500_000)
  last = now
  return `${new Date(now).toISOString().slice(0, -1)}${String(fraction).padStart(6, '0')}`.replace(/\.?0*$/, 'Z')
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1 }

/** Seconds of `90`, `'90'`, `'90s'` or `'1h30m'`; 0 for anything else. */
export function seconds(duration: unknown): number {
  const text = String(duration)
  if (/^\d+$/.test(text)) return Number(text)
  if (!/^(\d+[hms])+$/.test(text)) return 0
  return [...text.matchAll(/(\d+)([hms])/g)].reduce(
    (sum, [, count, unit = '']) => sum + Number(count) * (UNIT_SECONDS[unit] ?? 0),
    0,
  )
}

/** Prints `5400` as `1h30m0s`. */
export function goDuration(total: number): string {
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor((total % 3600) / 60)]
  return `${hours > 0 ? `${hours}h` : ''}${total >= 60 ? `${minutes}m` : ''}${total % 60}s`
}
