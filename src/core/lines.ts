/** Everything that is logged, as lines of JSON without the line end: they are the same on every platform. */
import type { ErrorData, KeyringErrorCode } from './errors.ts'
import type { AuditEvent } from './ports.ts'
import { printable } from './printable.ts'

export const auditLine = (event: AuditEvent): string => JSON.stringify({ ...event, time: isoTime(event.time) })

/**
 * A defect is logged by name, code and frames alone, its own and those of what caused it, because a foreign error's message may
 * quote what it was given, and look like frames.
 */
export const defectLine = (error: unknown, request: string): string =>
  JSON.stringify({ time: isoTime(Date.now()), level: 'error', request, ...defectOf(error) })

interface Defect {
  readonly defect: string
  readonly code?: string
  readonly frames: readonly string[]
  readonly cause?: Defect
}

function defectOf(error: unknown, depth = 0): Defect {
  if (!(error instanceof Error)) return { defect: typeof error, frames: [] }
  const { cause, code } = error as Error & { readonly code?: unknown }
  return {
    defect: nameOf(error),
    ...(typeof code === 'string' && /^[A-Z0-9_]{1,60}$/.test(code) && { code }),
    frames: framesOf(error),
    ...(cause !== undefined && depth < MOST_CAUSES && { cause: defectOf(cause, depth + 1) }),
  }
}

const nameOf = (error: unknown): string => (error instanceof Error ? printable(error.name, 64) : typeof error)

/** The most that a line says of a defect, from where it happened. */
const MOST_FRAMES = 20

const framesOf = ({ stack = '', message }: Error): string[] =>
  stack
    .replace(message, () => '')
    .split('\n')
    .filter((line) => line.startsWith('    at '))
    .slice(0, MOST_FRAMES)
    .map((line) => printable(line.trim(), 256))

/** An error may be its own cause. */
const MOST_CAUSES = 4

/** A part that fails while the rest goes on. */
export const failureLine = (
  part: 'store' | 'audit' | 'settings' | 'event',
  { code, message, remedy }: ErrorData,
): string => JSON.stringify({ time: isoTime(Date.now()), level: 'error', part, code, message, remedy })

/** A stored time that cannot be true. */
export const clockLine = (of: string, message: string): string =>
  JSON.stringify({ time: isoTime(Date.now()), level: 'warn', clock: of, message })

/** @param where everybody on the way can read along. */
export const clearTextLine = (where: string): string =>
  JSON.stringify({
    time: isoTime(Date.now()),
    level: 'warn',
    part: 'http',
    message: `API tokens and plaintexts come to ${where} in clear text: it speaks plain http beyond loopback.`,
    remedy: 'Put what speaks TLS in front of it, on this machine or a network of its own.',
  })

export const settingLine = (name: string, message: string): string =>
  JSON.stringify({ time: isoTime(Date.now()), level: 'error', setting: name, problem: message })

/** @param of the keyring that was synced, or the vault whose secrets were renewed. */
export const scheduleLine = (
  { call: _call, ...of }: { readonly call: string },
  outcome: string,
  code: KeyringErrorCode | null,
): string =>
  JSON.stringify({
    time: isoTime(Date.now()),
    level: code === null ? 'info' : 'warn',
    schedule: 'keyring' in of ? 'sync' : 'secrets',
    ...of,
    outcome,
    code,
  })

/** @param error what the platform threw; its text may quote anything. */
export const replicaLine = (work: 'get' | 'set', name: string, error: unknown): string =>
  JSON.stringify({
    time: isoTime(Date.now()),
    level: 'warn',
    replica: work,
    record: name,
    error: nameOf(error),
  })

let lastTime = Number.NaN
let lastText = ''

/** The last text is kept, because many events share a millisecond. */
function isoTime(ms: number): string {
  if (ms !== lastTime) {
    lastText = new Date(ms).toISOString()
    lastTime = ms
  }
  return lastText
}
