/** What the audit log has added up, in one line for many: successful uses of a keyring that change nothing, and refusals. */
import type { AuditEvent } from './ports.ts'

/** For how long events are added up into one line, in milliseconds. */
export const ADD_UP_MS = 1000
const ADDED_UP: ReadonlySet<string> = new Set(['encrypt', 'decrypt', 'rewrap', 'read', 'resolve'])
/** In place of an action, where refusals of more than one are in the line. */
const SEVERAL = 'several'

export class Uses {
  readonly #sums = new Map<string, { first: AuditEvent; count: number }>()

  /** Takes an event. @returns how many are in its line by now; 0 = it needs one of its own. */
  add(event: AuditEvent): number {
    const key = keyOf(event)
    if (key === null) return 0
    const sum = this.#sums.get(key)
    if (sum === undefined) return (this.#sums.set(key, { first: event, count: event.count }), event.count)
    sum.first = inCommon(sum.first, event)
    return (sum.count += event.count)
  }

  /** Gives what was added up, and begins anew. */
  take(): AuditEvent[] {
    const events = [...this.#sums.values()].map(({ first, count }) => ({ ...first, count }))
    this.#sums.clear()
    return events
  }
}

/** Whoever is refused chooses path and method: neither makes a line more. A replica that was altered is nobody's request. */
function keyOf({ outcome, action, keyring, vault, keyId, caller, code, facts }: AuditEvent): string | null {
  if (outcome === 'refused' && action !== 'replica') return JSON.stringify([caller, code, facts])
  const isPlain = outcome === 'ok' && facts === undefined && ADDED_UP.has(action)
  return isPlain ? `${action} ${keyring} ${vault} ${keyId} ${caller}` : null
}

function inCommon(first: AuditEvent, { action, keyring, vault }: AuditEvent): AuditEvent {
  if (first.action === action && first.keyring === keyring && first.vault === vault) return first
  return {
    ...first,
    action: first.action === action ? action : SEVERAL,
    keyring: first.keyring === keyring ? keyring : null,
    vault: first.vault === vault ? vault : undefined,
  }
}
