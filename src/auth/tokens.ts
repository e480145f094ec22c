/** API tokens: they are kept as SHA-256 with a name, grants and an expiry, and recognised by whoever presents one. */
import type { ApiToken } from '../core/api-token.ts'
import type { Awaitable } from '../core/awaitable.ts'
import { equalText, fromHex, toBase64url } from '../core/bytes.ts'
import type { Clock, Hash } from '../core/ports.ts'

export interface Caller {
  readonly name: string
  readonly grants: ReadonlySet<string>
}

/** `null` = there is no live token. Why not is nobody's business on the wire. */
export type Authenticate = (presented: string | null) => Awaitable<Caller | null>

/** A token that was right is remembered in memory, one for each configured hash, and not hashed again (decision 4). */
export function authenticator(hash: Hash, clock: Clock, tokens: readonly ApiToken[]): Authenticate {
  const known = tokens.map((token) => ({
    ...token,
    caller: { name: token.name, grants: new Set(token.grants) },
  }))
  type Known = (typeof known)[number]
  const seen = new Map<string, Known>()
  const alive = ({ expiresAt, caller }: Known) =>
    (expiresAt ?? Number.POSITIVE_INFINITY) > clock.now() ? caller : null
  const compare = async (presented: string): Promise<Caller | null> => {
    const digest = await hash.sha256(presented)
    let found: Known | null = null
    for (const token of known) if (equalText(token.sha256, digest)) found = token
    if (found === null) return null
    seen.set(presented, found)
    return alive(found)
  }
  return (presented) => {
    if (presented === null) return null
    const token = seen.get(presented)
    return token === undefined ? compare(presented) : alive(token)
  }
}

/**
 * `Kong-Admin-Token` decides where it is sent, because `Authorization` may be a gateway's beside it; otherwise `Authorization:
 * Bearer`. `null` = neither.
 */
export function presentedToken(headers: {
  authorization: string | undefined
  kongAdminToken: string | undefined
}): string | null {
  return headers.kongAdminToken || (/^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? null)
}

const PREFIX = 'ek_'

/** A token is `ek_`, 256 random bits, and a checksum by which scanners know one: the first 4 bytes of SHA-256 of what stands before it. */
export async function newToken(hash: Hash): Promise<string> {
  const body = PREFIX + toBase64url(crypto.getRandomValues(new Uint8Array(32)))
  const checksum = fromHex(await hash.sha256(body))
  return body + toBase64url(checksum.subarray(0, 4))
}
