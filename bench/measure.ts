/** What all parts share: how long to run, medians, figures against what is wanted, and an orderly end. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Options {
  /** Seconds of load in each round. */
  readonly seconds: number
  /** Of the soak. */
  readonly requests: number
}

export type Row = Readonly<Record<string, string | number>>
export type Part = (options: Options) => Promise<Row[]>
export type OnEnd = (end: () => unknown) => void

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
}

export function percentile(values: readonly number[], part: number): number {
  const sorted = Float64Array.from(values).toSorted()
  return sorted[Math.ceil(sorted.length * part) - 1] ?? Number.NaN
}

export const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))

export const wanted = (what: string, isMet: boolean): Row => ({ wanted: what, met: isMet ? 'yes' : 'NO' })

/** Several of which each counts, and is named when it is not met; `false` = none. */
export function allWanted(goals: readonly (false | readonly [what: string, isMet: boolean])[]): Row {
  const set = goals.filter((goal) => goal !== false)
  const list = (some: typeof set) => some.map(([what]) => what).join(', ')
  const missed = set.filter(([, isMet]) => !isMet)
  if (set.length === 0) return {}
  return { ...wanted(list(set), missed.length === 0), ...(missed.length > 0 && { met: `NO: ${list(missed)}` }) }
}

/** Ends what was started, last first, also on failure. */
export async function withEnds<T>(work: (onEnd: OnEnd) => Promise<T>): Promise<T> {
  const ends: (() => unknown)[] = []
  try {
    return await work((end) => ends.push(end))
  } finally {
    for (const end of ends.toReversed()) await end()
  }
}

export function tempFolder(onEnd: OnEnd): string {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-bench-'))
  onEnd(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
