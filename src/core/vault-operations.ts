/** What the authority can be asked about the secrets of a vault, and what it answers. All of it is plain data. */
import type { Bytes } from './bytes.ts'
import type { ErrorData } from './errors.ts'
import type { DiagnoseOptions, Diagnosis } from './findings.ts'

/** One secret of a vault; fields of it are read from the same text. */
export interface SecretName {
  readonly resource: string
  /** From 1 on. `null` = the current one. */
  readonly version: number | null
}

/** What is kept of one secret. Times in milliseconds since 1970. */
export interface CachedSecret extends SecretName {
  /** What the vault said last; `null` = it has not answered yet. */
  readonly found: 'secret' | 'absent' | 'forbidden' | null
  /** When it was asked for that. */
  readonly at: number
  /** When it is asked again by itself; `null` = never. */
  readonly due: number | null
  /** Why it has not answered since. */
  readonly failing: { readonly since: number; readonly tries: number; readonly error: ErrorData } | null
}

export interface CachedPage {
  readonly secrets: readonly CachedSecret[]
  /** The next page is behind it; `null` = this is the last one. */
  readonly next: string | null
}

/** How the secrets of a vault fare, in numbers: no name of one is in it. Times in milliseconds since 1970. */
export interface VaultSummary {
  /** Secrets that have a value. */
  readonly kept: number
  /** Of these, such as serve after their expiry. */
  readonly stale: number
  /** The vault has said that there is none, or none for us. */
  readonly refused: number
  /** Of these, such as there are none of for us. */
  readonly forbidden: number
  /** Such as the vault, when it was asked last, has given no answer for; since when at least one, and why. `null` = none. */
  readonly failing: { readonly count: number; readonly since: number; readonly error: ErrorData } | null
  /** There are others, which were not looked at. */
  readonly more: boolean
  /** Of what KEYRING_REFERENCES has of this vault. */
  readonly listed: number
  /** Why entries of it have no value, or one that is not renewed; the first ones. */
  readonly lacking: readonly { readonly entry: number; readonly error: ErrorData }[]
  /** When the vault was last asked for one of them with success; `null` = never. */
  readonly last: number | null
  /** The vault is not asked from here: others hand over what it says. */
  readonly pushed: boolean
}

/** What a vault has said to whoever reaches it. */
export interface HandedSecret extends SecretName {
  readonly found: 'secret' | 'absent' | 'forbidden'
  /** '' = there is none. */
  readonly text: string
  /** When it was asked for, in milliseconds since 1970. */
  readonly at: number
}

export interface Handed {
  readonly taken: number
  /** Not taken, because there is what was said later. */
  readonly older: number
}

/** What the authority can be asked about the secrets of a vault, by its prefix: what is said beside that, and the answer. */
export interface VaultOperations {
  /**
   * The states of the secrets, sealed, in their order.
   * @param refresh the vault is asked for what is fresh too.
   * @param caller has a share of his own of what is asked for anew; those without a name have one together.
   */
  readonly resolve: {
    readonly says: {
      readonly secrets: readonly SecretName[]
      readonly refresh: boolean
      readonly caller?: string | undefined
    }
    readonly answer: readonly Bytes[]
  }
  /** What is kept, a page of it from behind `after` on ('' = from the beginning). Never a value. */
  readonly cached: { readonly says: { readonly after: string }; readonly answer: CachedPage }
  /** A schedule asks this once a minute: what expires soon is renewed. */
  readonly refreshIfDue: { readonly says: object; readonly answer: 'refreshed' | 'not-due' }
  readonly summary: { readonly says: object; readonly answer: VaultSummary }
  /** The way to it, step by step; an answer may be some seconds old. */
  readonly examine: { readonly says: DiagnoseOptions; readonly answer: Diagnosis }
  /** @param source where it was asked, but for the address. */
  readonly hand: {
    readonly says: { readonly source: string; readonly secrets: readonly HandedSecret[] }
    readonly answer: Handed
  }
}
