/** Examines the way to one keyring's secret, step by step; a step that an earlier failure makes pointless is skipped. */
import { warningsOf } from '../../core/warnings.ts'
import type { Check, Finding } from '../../core/findings.ts'
import { CHECKS, POINTLESS } from '../../core/findings.ts'
import { isLoopback } from '../../core/loopback.ts'
import type { DoctorParts, WayParts } from './parts.ts'
import { lookAtMount, lookAtRateLimit, lookAtRights } from './mount.ts'
import { lookAtSecret, lookAtVersions } from './secret.ts'
import { lookAtServer } from './server.ts'
import { lookAtRotation, lookAtToken } from './token.ts'

interface Step<P> {
  readonly step: (parts: P, signal: AbortSignal) => Promise<readonly Finding[]>
  /** A failure of it makes all further steps pointless. */
  readonly stops: boolean
}

/** To a KV mount. */
const WAY: readonly Step<WayParts>[] = [
  { step: lookAtNetwork, stops: true },
  { step: lookAtServer, stops: true },
  { step: lookAtToken, stops: true },
  { step: lookAtMount, stops: true },
]

const STEPS: readonly Step<DoctorParts>[] = [
  ...WAY,
  { step: lookAtRights, stops: false },
  { step: lookAtSecret, stops: false },
  { step: lookAtVersions, stops: false },
  { step: lookAtRateLimit, stops: false },
  { step: lookAtRotation, stops: false },
]

/** What ends by itself, by the steps that can see it. @throws only a defect. */
export async function lookAhead(parts: DoctorParts, signal: AbortSignal): Promise<readonly Finding[]> {
  const found = [...(await lookAtNetwork(parts, signal)), ...(await lookAtToken(parts, signal))]
  return parts.rotation === null ? found : [...found, ...(await lookAtRotation(parts, signal))]
}

/** What ends soon is a warning, whatever else is well with it. */
function withEnds(finding: Finding, now: number): Finding {
  const [soonest] = warningsOf(finding.ends ?? [], now)
  if (finding.outcome !== 'ok' || soonest === undefined) return finding
  const { detail, remedy } = soonest
  return { ...finding, outcome: 'warning', detail: `${finding.detail} ${detail}`, remedy }
}

/** @throws only what is no `KeyringError`, which is a defect. */
export async function examine(parts: DoctorParts, signal: AbortSignal): Promise<readonly Finding[]> {
  const findings = await inOrder(STEPS, parts, signal)
  const seen = new Set(findings.map(({ check }) => check))
  return [...findings, ...CHECKS.filter((check) => !seen.has(check)).map(skipped)]
}

/** The way to a vault of references: what is read there is for others to say. @throws as `examine` does. */
export const examineWay = (parts: WayParts, signal: AbortSignal): Promise<readonly Finding[]> =>
  inOrder([...WAY, { step: lookAtRateLimit, stops: false }], parts, signal)

async function inOrder<P extends WayParts>(
  steps: readonly Step<P>[],
  parts: P,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const { step, stops } of steps) {
    const found = (await step(parts, signal)).map((finding) => withEnds(finding, parts.clock.now()))
    findings.push(...found)
    if (stops && found.some(({ outcome }) => outcome === 'failed')) break
  }
  return findings
}

const skipped = (check: Check): Finding => ({
  check,
  outcome: 'skipped',
  detail: POINTLESS,
})

const UNSEEN = 'This platform does not show it; the next steps tell whether Vault can be reached.'

async function lookAtNetwork({ probe, address }: WayParts, signal: AbortSignal): Promise<readonly Finding[]> {
  const checks: readonly Check[] = address.startsWith('https:') ? ['dns', 'tcp', 'tls'] : ['dns', 'tcp']
  const found =
    probe === null
      ? checks.map((check): Finding => ({ check, outcome: 'skipped', detail: UNSEEN }))
      : await probe(signal)
  if (address.startsWith('https:') || found.some(({ outcome }) => outcome === 'failed')) return found
  return [...found, isLoopback(new URL(address).hostname) ? LOCAL : PLAIN]
}

const LOCAL: Finding = { check: 'tls', outcome: 'ok', detail: 'Plain http, which does not leave this machine.' }
const PLAIN: Finding = {
  check: 'tls',
  outcome: 'warning',
  detail: 'The address is plain http: nothing on the way is encrypted.',
  remedy: 'Use https:// in KEYRING_VAULT_HOST.',
}
