/** The audit log of both functions is what they print. */
import { auditLine } from '../../src/core/lines.ts'
import type { Audit, AuditEvent } from '../../src/core/ports.ts'
import { ADD_UP_MS, Uses } from '../../src/core/uses.ts'

const print = (event: AuditEvent): void => console.log(auditLine(event))
/** Refusals: what counts them, and what adds up those after the first. */
const [begun, more] = [new Uses(), new Uses()]

/**
 * The platform collects what is printed; there is nothing to wait for. It may freeze an instance after any answer, and end it: so a
 * refusal is printed at once, and only those like it that follow within a second are added up.
 */
export const lambdaAudit: Audit = {
  note(event) {
    const count = event.outcome === 'refused' ? begun.add(event) : 0
    if (count < 2) print(event)
    else more.add(event)
    if (count === 1) setTimeout(printMore, ADD_UP_MS)
  },
  commit: async (event) => print(event),
}

function printMore(): void {
  begun.take()
  for (const event of more.take()) print(event)
}
