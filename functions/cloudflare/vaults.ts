/** The vaults behind references on Workers: the ways there, and what is no Vault. */
import type { Env } from '../../src/config/setting.ts'
import type { VaultsConfig } from '../../src/config/with-vaults.ts'
import { KeyringError } from '../../src/core/errors.ts'
import type { Fetch, Replica } from '../../src/core/ports.ts'
import type { SecretBackend, VaultAuthority } from '../../src/core/secrets.ts'
import { copying } from '../../src/replicated-vaults.ts'
import { environmentBackend } from '../../src/secrets/environment.ts'
import { signedSecretsManager } from '../../src/vault/secrets-manager.ts'
import type { VaultsPorts } from '../../src/vaults.ts'
import { openKeepers } from '../../src/vaults.ts'
import { vaultFetch } from './vault-fetch.ts'

interface Ports extends Omit<VaultsPorts, 'fetchOf' | 'openOther' | 'probeOf' | 'readFile'> {
  /** `null` = there is none. */
  readonly replica: Replica | null
}

/** @param variables the texts among the bindings. `null` = there are no vaults. */
export function openWorkersVaults(
  { vaults: entities = [], ...config }: VaultsConfig,
  bindings: object,
  variables: Env,
  ports: Ports,
): VaultAuthority | null {
  if (entities.length === 0) return null
  // A binding is for the origin of the keyring's own Vault, whoever asks there.
  const fetch = withinPlan(vaultFetch(bindings, config.vault?.address))
  const openOther = (settings: Parameters<VaultsPorts['openOther']>[0]): SecretBackend => {
    if (settings.type === 'env') return environmentBackend(variables, settings.variableOf)
    if (settings.type === 'fs' || settings.credentials?.from !== 'keys')
      throw new TypeError('The settings of a Worker refuse this vault.')
    return signedSecretsManager({ ...settings, keys: settings.credentials }, { fetch, clock: ports.clock })
  }
  const keepers = openKeepers(entities, config, {
    ...ports,
    readFile: null,
    fetchOf: () => fetch,
    probeOf: () => null,
    openOther,
  })
  return ports.replica === null ? keepers : copying(keepers, config, { ...ports, replica: ports.replica })
}

const REMEDY =
  'Ask for fewer secrets at once, or ask again: what was read is kept. The plan Free allows 50 requests of a call.'

/** The platform ends requests of a call that has made too many, and not the call: what is left comes with the next one. */
const withinPlan =
  (fetch: Fetch): Fetch =>
  (request) =>
    fetch(request).catch((error: unknown) => {
      if (!(error instanceof Error) || !error.message.startsWith('Too many subrequests')) throw error
      throw new KeyringError('ERR_RATE_LIMITED', 'One call has asked vaults as often as the plan of Workers allows.', {
        remedy: REMEDY,
        facts: { retryAfterSeconds: 1 },
      })
    })
