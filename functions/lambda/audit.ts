/** The audit log of both functions is what they print. */
import { auditLine } from '../../src/core/lines.ts'
import type { Audit, AuditEvent } from '../../src/core/ports.ts'
import { ADD_UP_MS, Uses } from '../../src/core/uses.ts'

const print = (event: AuditEvent): void => console.log(auditLine(event))
const refusals = new Uses()

/**
 * The platform collects what is printed; there is nothing to wait for. It may freeze an instance after any answer, and end it: so a
 * refusal is printed at once, and only those like it that follow within a second are added up.
 */
export const lambdaAudit: Audit = {
  note(event) {
    const isRefused = event.outcome === 'refused'
    const isFirst = isRefused && refusals.begin(event)
    if (isFirst) setTimeout(printMore, ADD_UP_MS)
    if (isFirst || !isRefused || refusals.add(event) === 0) print(event)
  },
  commit: async (event) => print(event),
}

function printMore(): void {
  for (const event of refusals.take()) print(event)
}
