/** What every login method is, and what it is given: each has one small file beside this one. */
import type { Awaitable } from '../../core/awaitable.ts'
import type { End } from '../../core/ends.ts'
import type { Clock, Fetch } from '../../core/ports.ts'
import type { Secret } from '../../core/secret.ts'

/** A token as Vault has issued it, with what decides its life. */
export interface IssuedToken {
  readonly token: Secret
  /** Seconds from now; 0 = it does not end. */
  readonly ttlSeconds: number
  readonly renewable: boolean
  readonly type: 'service' | 'batch'
  /** How often it may be used; 0 = without limit. */
  readonly uses: number
}

/**
 * Vault as a login sees it: without a token of ours, in the namespace of logins. Nothing is sent twice after an answer:
 * Vault locks a user out after five failures.
 */
export interface LoginVault {
  /** `POST /v1/auth/<mount>/…`; `segments` are those behind /v1, the answer is `auth`. @throws `KeyringError`, with the fact `step: 'login'`. */
  login(segments: readonly string[], body: object, signal: AbortSignal): Promise<IssuedToken>
  /**
   * Any other POST, such as `sys/wrapping/unwrap`; the answer's body (`{"errors":[]}` of a 404, null of a 204). Never sent
   * twice. `token` null = none is sent.
   */
  post(segments: readonly string[], body: object, token: string | null, signal: AbortSignal): Promise<unknown>
}

/** Small secrets in the record store, sealed under the label `vault-login`, with compare-and-set. */
export interface SealedItems {
  /** `null` = never written. @throws `ERR_RECORD_INVALID`, `ERR_WRAPPING_KEY_MISSING`, `ERR_STORE_UNAVAILABLE`. */
  read(name: string): Promise<{ readonly value: unknown; readonly version: number } | null>
  /** `expected` 0 = must not exist. 'conflict' = somebody else wrote first. */
  write(name: string, value: unknown, expected: number): Promise<number | 'conflict'>
}

/** What a method may use of the platform. */
export interface LoginParts {
  readonly clock: Clock
  /** It is for token endpoints, metadata services and the like, never for Vault. */
  readonly fetch: Fetch
  /** The text of a file, read anew at each login; '' = its bytes are no text. `null` = there are no files here. */
  readonly readFile: ((path: string) => Promise<string>) | null
  readonly items: SealedItems
  /** What few logins need, at once or when it is needed. */
  readonly loadRare: () => Awaitable<RareLogin>
}

/** A wrapping token with a secret id inside, and who opens it. */
export interface Wrapped {
  readonly mount: string
  /** '' = any. */
  readonly roleName: string
  /** The wrapping token. */
  readonly token: string
  readonly vault: LoginVault
  readonly parts: Pick<LoginParts, 'items' | 'clock'>
}

interface RareLogin {
  readonly unwrapSecretId: (wrapped: Wrapped, signal: AbortSignal) => Promise<string>
}

export interface LoginMethod {
  /** Vault's name of it, as in `auth_method`. */
  readonly method: string
  /** Mount of the login, without `auth/`. */
  readonly mount: string
  /** '' = Vault's default. */
  readonly role: string
  /**
   * A text that is another one when the credential is another one, so that a token is never used for a credential that was
   * replaced. It is hashed by the caller and never stored or shown. Files are read anew.
   */
  credential(signal: AbortSignal): Awaitable<string>
  login(vault: LoginVault, signal: AbortSignal): Promise<IssuedToken>
  /** What of the credential ends by itself, as far as Vault tells that token. Absent = nothing. */
  ends?(vault: LoginVault, token: string, signal: AbortSignal): Promise<readonly End[]>
}
