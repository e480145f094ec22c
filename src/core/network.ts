/** What a request throws: trouble of the network, by the shapes that each platform is known for. All else is a defect of ours. */
import { CODES } from '#platform/core/network-codes'

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
  if (coded !== null) return coded.path === undefined && CODES.some((code) => code.test(coded.code)) ? trouble : null
  return (isOfProgram(thrown) ? isOfFetch(thrown) : TEXTS.test(thrown.message)) ? trouble : null
}

/** The runtime's fetch wraps what the network did, in words where it has no code: an answer that was cut, a port that it does not use. */
const isOfFetch = ({ message, cause }: Error): boolean =>
  /^(fetch failed|terminated)$/.test(message) && cause instanceof Error && cause.name === 'Error'

interface Coded {
  readonly code: string
  /** Of a file. */
  readonly path?: unknown
}

/** The first with a code among the error, its cause and the errors that it gathers. */
function codedIn(thrown: unknown, depth = 0): Coded | null {
  if (typeof thrown !== 'object' || thrown === null || depth > 4) return null
  const { code, path, cause, errors } = thrown as Partial<Record<'code' | 'path' | 'cause' | 'errors', unknown>>
  if (typeof code === 'string' && /^[A-Z0-9_]{1,60}$/.test(code)) return { code, path }
  return codedIn(Array.isArray(errors) ? errors[0] : cause, depth + 1)
}

/** The language's own complaints about a program. What a platform cannot do now it says by another Error, but for `fetch failed`. */
export const isOfProgram = (error: unknown): boolean =>
  [TypeError, ReferenceError, SyntaxError, RangeError].some((kind) => error instanceof kind)
