/** The audit log of a Worker is what it prints: the platform collects that, and there is nothing to wait for. */
import { auditLine } from '../../src/core/lines.ts'
import type { Audit, AuditEvent, Background } from '../../src/core/ports.ts'
import { STEP_MS, ageOf } from '../../src/core/time.ts'
import { ADD_UP_MS, Uses } from '../../src/core/uses.ts'

const print = (event: AuditEvent): void => console.log(auditLine(event))

/** Uses and refusals are added up in the isolate; the request that began the sum prints it, after its answer. */
export function workerAudit(background: Background): Audit {
  const uses = new Uses()
  /** A request that was cut off prints nothing: after twice the time another one begins anew. */
  let begun = Number.NEGATIVE_INFINITY
  const later = async (): Promise<void> => {
    await scheduler.wait(ADD_UP_MS)
    begun = Number.NEGATIVE_INFINITY
    for (const event of uses.take()) print(event)
  }
  return {
    note(event) {
      if (uses.add(event) === 0) return print(event)
      if (ageOf(begun, event.time, STEP_MS) < 2 * ADD_UP_MS) return
      begun = event.time
      background(later())
    },
    commit: async (event) => print(event),
  }
}
