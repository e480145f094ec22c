/** The audit log as JSON lines: those of 10 ms in one write, successful uses added up. */
import { auditLine } from '../../src/core/lines.ts'
import { KeyringError } from '../../src/core/errors.ts'
import type { Audit, AuditEvent } from '../../src/core/ports.ts'
import { ADD_UP_MS, Uses } from '../../src/core/uses.ts'

/** Milliseconds for which lines wait to be written together. */
const JOIN_MS = 10

export interface AuditLog extends Audit {
  /** Writes what is buffered, if that can be written: what must not be lost was committed. */
  close(): Promise<void>
}

const asLine = (event: AuditEvent): string => `${auditLine(event)}\n`

export function auditLog(write: (text: string) => Promise<void>): AuditLog {
  const uses = new Uses()
  let events: AuditEvent[] = []
  let timer: NodeJS.Timeout | null = null

  const push = (event: AuditEvent): void => {
    if (events.length === 0) setTimeout(() => void flush().catch(() => {}), JOIN_MS)
    events.push(event)
  }
  const flush = async (): Promise<void> => {
    const text = events.map(asLine).join('')
    events = []
    if (text !== '') await write(text)
  }
  const flushUses = (): void => {
    timer = null
    for (const event of uses.take()) push(event)
  }

  return {
    note(event) {
      if (uses.add(event)) timer ??= setTimeout(flushUses, ADD_UP_MS).unref()
      else push(event)
    },
    async commit(event) {
      await write(asLine(event)).catch(() => {
        throw new KeyringError('ERR_AUDIT_UNAVAILABLE', 'The audit log cannot be written.')
      })
    },
    async close() {
      if (timer !== null) clearTimeout(timer)
      flushUses()
      await flush().catch(() => {})
    },
  }
}
