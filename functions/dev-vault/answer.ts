/** What every part of the dev Vault is asked, and how it answers: the frame of Vault's API without HTTP. */
import type { Token } from './access.ts'

export interface VaultRequest {
  readonly method: string
  /** The path behind /v1/, decoded. */
  readonly path: string
  readonly query: URLSearchParams
  /** {} when there is none. */
  readonly body: Readonly<Record<string, unknown>>
  /** `null` = a login, or what needs no token. */
  readonly caller: Token | null
}

export interface VaultAnswer {
  readonly status: number
  readonly data?: unknown
  readonly auth?: unknown
  readonly warnings?: readonly string[]
  readonly leaseSeconds?: number
  /** The texts stand in place of the envelope. */
  readonly errors?: readonly string[]
  /** The body stands in place of the envelope. */
  readonly bare?: unknown
}

export const DONE: VaultAnswer = { status: 204 }
export const NOTHING: VaultAnswer = { status: 404, errors: [] }
/** The answer to a token that is missing or unknown; OpenBao has other words for what a policy denies. */
export const UNKNOWN_TOKEN: VaultAnswer = { status: 403, errors: ['permission denied'] }
export const DENIED: VaultAnswer = { status: 403, errors: ['1 error occurred:\n\t* permission denied\n\n'] }
export const SEALED: VaultAnswer = { status: 503, errors: ['Vault is sealed'] }
export const refused = (text: string): VaultAnswer => ({ status: 400, errors: [text] })
export const found = (data: unknown): VaultAnswer => ({ status: 200, data })
