/** The probe of the doctor where there is Node: loaded when somebody asks, so that no start pays for it. */
import type { VaultSettings } from '../../src/config/vault.ts'
import type { Env } from '../../src/config/setting.ts'
import type { Probe } from '../../src/core/findings.ts'
import type { Clock } from '../../src/core/ports.ts'

/** @param env names the proxies. */
export function probeOf(
  vault: Pick<VaultSettings, 'address' | 'tls' | 'timeoutMs'> | null,
  clock: Clock,
  env: Env = process.env,
): Probe | null {
  if (vault === null) return null
  return async (signal) => (await import('./way.ts')).look(vault, clock, env, signal)
}
