/** Successful uses of a keyring that change nothing, added up: one line of the audit log for many. */
import type { AuditEvent } from './ports.ts'

/** For how long uses are added up into one line, in milliseconds. */
export const ADD_UP_MS = 1000
const ADDED_UP: ReadonlySet<string> = new Set(['encrypt', 'decrypt', 'read'])

export class Uses {
  readonly #uses = new Map<string, { readonly first: AuditEvent; count: number }>()

  /** Takes an event. False = it needs a line of its own. */
  add(event: AuditEvent): boolean {
    if (event.outcome !== 'ok' || !ADDED_UP.has(event.action)) return false
    const key = `${event.action} ${event.keyring} ${event.keyId} ${event.caller}`
    const earlier = this.#uses.get(key)
    if (earlier === undefined) this.#uses.set(key, { first: event, count: event.count })
    else earlier.count += event.count
    return true
  }

  /** Gives what was added up, and begins anew. */
  take(): AuditEvent[] {
    const events = [...this.#uses.values()].map(({ first, count }) => ({ ...first, count }))
    this.#uses.clear()
    return events
  }
}
