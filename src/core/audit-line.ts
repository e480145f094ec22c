/** An audit event as the one line of JSON that every platform writes. */
import type { AuditEvent } from './ports.ts'

export const auditLine = (event: AuditEvent): string => `${JSON.stringify({ ...event, time: isoTime(event.time) })}\n`

let lastTime = Number.NaN
let lastText = ''

/** Many events share a millisecond. */
function isoTime(ms: number): string {
  if (ms !== lastTime) {
    lastText = new Date(ms).toISOString()
    lastTime = ms
  }
  return lastText
}
