/** Headers of the operator's for Vault, such as those by which Cloudflare Access lets a request pass. */
import type { Fetch } from '../../core/ports.ts'
import type { Secret } from '../../core/secret.ts'

/** They are secrets: they go to Vault's address, base path included, and to no other. */
export function withHeaders(fetch: Fetch, address: string, headers: Readonly<Record<string, Secret>>): Fetch {
  const entries = Object.entries(headers)
  if (entries.length === 0) return fetch
  return (request) => {
    if (request.url.startsWith(`${address}/`))
      for (const [name, secret] of entries) request.headers.set(name, secret.reveal())
    return fetch(request)
  }
}
