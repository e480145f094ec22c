/** Everything that is logged, as lines of JSON without the line end: they are the same on every platform. */
import type { ErrorData, KeyringErrorCode } from './errors.ts'
import type { AuditEvent } from './ports.ts'

export const auditLine = (event: AuditEvent): string => JSON.stringify({ ...event, time: isoTime(event.time) })

/** A defect is logged by its name and frames alone, because a foreign error's message may quote what it was given. */
export function defectLine(error: unknown, request: string): string {
  const frames =
    error instanceof Error ? (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at ')) : []
  return JSON.stringify({
    time: isoTime(Date.now()),
    level: 'error',
    request,
    defect: error instanceof Error ? error.name : typeof error,
    frames: frames.map((line) => line.trim()),
  })
}

/** A part that fails while the rest goes on. */
export const failureLine = (part: 'store' | 'audit', { code, message, remedy }: ErrorData): string =>
  JSON.stringify({ time: isoTime(Date.now()), level: 'error', part, code, message, remedy })

/** A stored time that cannot be true. */
export const clockLine = (of: string, message: string): string =>
  JSON.stringify({ time: isoTime(Date.now()), level: 'warn', clock: of, message })

export const settingLine = (name: string, message: string): string =>
  JSON.stringify({ time: isoTime(Date.now()), level: 'error', setting: name, problem: message })

export const scheduleLine = (keyring: string, outcome: string, code: KeyringErrorCode | null): string =>
  JSON.stringify({
    time: isoTime(Date.now()),
    level: code === null ? 'info' : 'warn',
    schedule: 'sync',
    keyring,
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
    error: error instanceof Error ? error.name : typeof error,
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
