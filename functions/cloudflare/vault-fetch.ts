/** Vault's fetch on Workers: by a binding that presents a certificate or reaches a private network, or the platform's own. */
import type { Fetch } from '../../src/core/ports.ts'

/** What is used of a `Fetcher`. */
interface Way {
  fetch(request: Request): Promise<Response>
}

/** Bindings that wrangler.toml may have; the settings refuse both together. */
interface VaultBindings {
  /** A binding of `mtls_certificates` presents the client certificate. */
  readonly KEYRING_VAULT_MTLS?: Way
  /** A binding of `vpc_services` reaches a private Vault through a tunnel. */
  readonly KEYRING_VAULT_VPC?: Way
}

/** Requests to Vault's origin go through its binding, if there is one; all others by the platform's fetch. @param address `null` = nothing is asked. */
export function vaultFetch(bindings: object, address: string | undefined): Fetch {
  const { KEYRING_VAULT_MTLS: mtls, KEYRING_VAULT_VPC: vpc } = bindings as VaultBindings
  const binding = mtls ?? vpc
  if (binding === undefined || address === undefined) return (request) => fetch(request)
  const { origin } = new URL(address)
  return (request) => (new URL(request.url).origin === origin ? binding.fetch(request) : fetch(request))
}
