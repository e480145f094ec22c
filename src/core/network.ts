/** What a request throws: trouble of the network, by the shapes that each platform is known for. All else is a defect of ours. */
import { codedIn, isOfFetch, isOfNetwork } from '#platform/core/network-codes'

export interface NetworkTrouble {
  /** `null` where there is none: workerd says it in words. */
  readonly code: string | null
  /** Of the platform: matched, never shown. */
  readonly text: string
}

/** workerd's, and the codes of Workers VPC: https://developers.cloudflare.com/workers-vpc/reference/troubleshooting/ */
const TEXTS = /^(Network connection lost|internal error|ProxyError)|\b(connection|dns|tls|tunnel)_[a-z_]+/

/** `null` = a defect. */
export function networkTrouble(thrown: unknown): NetworkTrouble | null {
  if (!(thrown instanceof Error)) return null
  const coded = codedIn(thrown)
  const trouble = { code: coded?.code ?? null, text: thrown.message }
  if (coded !== null) return isOfNetwork(coded) ? trouble : null
  return (isOfProgram(thrown) ? isOfFetch(thrown) : TEXTS.test(thrown.message)) ? trouble : null
}

/** The language's own complaints about a program. What a platform cannot do now it says by another Error, but for `fetch failed`. */
export const isOfProgram = (error: unknown): boolean =>
  [TypeError, ReferenceError, SyntaxError, RangeError].some((kind) => error instanceof kind)

/** For whoever trusts an authority of his own. */
export const WORKERS_TRUST =
  'Workers trust public authorities only: give Vault a certificate of one, with its whole chain, for the name in KEYRING_VAULT_HOST, or reach it through Workers VPC (KEYRING_VAULT_VPC) or a Cloudflare Tunnel (KEYRING_VAULT_HEADERS)'
