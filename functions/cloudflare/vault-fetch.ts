import type { Fetch } from '../../src/core/ports.ts'

/** Bindings that wrangler.toml may have; the settings refuse both together. */
interface VaultBindings {
  /** `mtls_certificates`: presents the client certificate. */
  readonly KEYRING_VAULT_MTLS?: Fetcher
  /** `vpc_services`: reaches a private Vault through a tunnel. */
  readonly KEYRING_VAULT_VPC?: Fetcher
}

/** Vault's origin through its binding, if there is one; everything else by the platform's fetch. @param address `null` = nothing is asked. */
export function vaultFetch(bindings: object, address: string | undefined): Fetch {
  const { KEYRING_VAULT_MTLS: mtls, KEYRING_VAULT_VPC: vpc } = bindings as VaultBindings
  const binding = mtls ?? vpc
  if (binding === undefined) return (request) => fetch(request)
  return (request) => (new URL(request.url).origin === address ? binding.fetch(request) : fetch(request))
}
