/** What every part of the dev Vault is asked, and how it answers: the frame of Vault's API, without HTTP. */
import type { Token } from './access.ts'

export interface VaultRequest {
  readonly method: string
  /** Behind /v1/, decoded. */
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
  /** In place of the envelope. */
  readonly errors?: readonly string[]
  /** In place of the envelope. */
  readonly bare?: unknown
}

export const DONE: VaultAnswer = { status: 204 }
export const NOTHING: VaultAnswer = { status: 404, errors: [] }
/** A token that is missing or unknown; OpenBao words what a policy denies otherwise. */
export const UNKNOWN_TOKEN: VaultAnswer = { status: 403, errors: ['permission denied'] }
export const DENIED: VaultAnswer = { status: 403, errors: ['1 error occurred:\n\t* permission denied\n\n'] }
export const SEALED: VaultAnswer = { status: 503, errors: ['Vault is sealed'] }
export const refused = (text: string): VaultAnswer => ({ status: 400, errors: [text] })
export const found = (data: unknown): VaultAnswer => ({ status: 200, data })
