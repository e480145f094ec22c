/** The audit log of both functions is what they print: the platform collects that, and there is nothing to wait for. */
import { auditLine } from '../../src/core/lines.ts'
import type { Audit } from '../../src/core/ports.ts'

export const lambdaAudit: Audit = {
  note: (event) => console.log(auditLine(event)),
  commit: async (event) => console.log(auditLine(event)),
}
