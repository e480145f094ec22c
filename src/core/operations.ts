/** What the authority can be asked about a keyring, and what it answers. All of it is plain data, and may cross a process boundary. */
import type { Bytes } from './bytes.ts'
import type { End } from './ends.ts'
import type { ErrorData, Facts, KeyringErrorCode, Result } from './errors.ts'
import type { Finding } from './findings.ts'
import type { SourceId, Observation, PlainRead, LoginItemsUnder } from './ports.ts'

/** What somebody who reaches the source has seen there. */
export interface Push {
  /** Where it was seen. By which address does not matter. */
  readonly source: Omit<SourceId, 'address'>
  /** `null` = there is no such secret. */
  readonly observation: Observation | null
  readonly force: boolean
  readonly adopt: boolean
}

/** What is to be done after an observation was offered. */
export interface PushAnswer {
  /** Versions to read and to deliver, the current one first. */
  readonly lacks: readonly number[]
  /** The id of a key to write as the next version. `null` = none was asked for, or none is due. */
  readonly next: string | null
}

export interface SyncOptions {
  readonly force: boolean
  readonly adopt: boolean
  /** The caller's own Vault token, for this sync alone. */
  readonly token: string | null
}

export interface SyncNote {
  readonly code: NoteCode
  readonly version: number
  readonly id: string | null
}

export type NoteCode =
  | 'version-malformed'
  | 'version-lost'
  | 'id-collision'
  | 'key-removed'
  | 'key-compromised'
  | 'key-weak'
  | 'active-unusable'
  | 'source-behind'
  | 'activation-waits'

export interface SyncReport {
  readonly changed: boolean
  /** New versions that are still to be read by the next sync. */
  readonly remaining: number
  /** Requests to Vault. */
  readonly requests: number
  readonly notes: readonly SyncNote[]
  /** The sealed record as it is now, for the caller's snapshot. */
  readonly sealed: Bytes
}

/** What a rotation did, or would do. */
export interface RotationReport {
  /** `false` = it is another's version that was taken over, or nothing was to be written. */
  readonly rotated: boolean
  readonly version: number
  /** `null` = no key is active. */
  readonly active: string | null
  /** Rotations until one would prune what must not go; `null` = nobody has looked. */
  readonly left: number | null
  /** The sealed record as it is now, for the caller's snapshot. */
  readonly sealed: Bytes
}

/** What an import did; ids. */
export interface ImportReport {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** `null` = no key is active. */
  readonly active: string | null
  /** The sealed record as it is now, for the caller's snapshot. */
  readonly sealed: Bytes
}

export interface KeyringChange {
  readonly op: 'remove' | 'compromise'
  readonly id: string
  readonly force: boolean
}

/** What happened at the source, for people. Times in milliseconds since 1970; `null` = never. */
export interface SyncStatus {
  readonly lastAttempt: number | null
  readonly lastSuccess: number | null
  /** Failures in a row, up to now. */
  readonly failures: number
  /** New versions that the last sync left for the next one. */
  readonly remaining: number
  /** Syncs succeed, and the current version does not become active: since when, and which one that was last. */
  readonly stalled: {
    readonly since: number
    readonly code: 'active-unusable' | 'source-behind'
    readonly version: number
  } | null
  readonly failing: {
    readonly since: number
    readonly code: KeyringErrorCode
    readonly message: string
    readonly remedy: string
    readonly facts: Facts
  } | null
  /** `null` = nobody has rotated here, and nothing is due. */
  readonly rotation: RotationStatus | null
  /** The source is not asked from here: others hand over what it holds. */
  readonly pushed: boolean
  /** What ends by itself, as it was last looked at, and when; `said` = when the log had it last. `null` = nobody has looked. */
  readonly ahead: { readonly time: number; readonly said: number; readonly ends: readonly End[] } | null
  /** What was not taken of the settings that are read again while an instance runs, in sentences. Absent = the authority is of a release that does not say. */
  readonly refused?: readonly string[]
}

/** What happened to rotations, for people. Times in milliseconds since 1970. */
export interface RotationStatus {
  /** When the last look was that wrote a key; `null` = never. */
  readonly last: number | null
  /** `null` = none is due by itself. */
  readonly next: number | null
  readonly left: RotationReport['left']
  readonly failing: NonNullable<SyncStatus['failing']> | null
}

export interface NextTry {
  /** Milliseconds since 1970; `null` = nothing is scheduled. */
  readonly nextTry: number | null
  /** From when on people must hear that nobody pushes, in milliseconds since 1970; `null` = never. */
  readonly silentFrom: number | null
}

/** What the replica is known to have taken. */
export interface Replicated {
  /** `null` = there is no replica. */
  readonly replica: {
    /** 0 = nothing yet. */
    readonly revision: number
    /** It lacks the record as it is now: the schedule pushes again. */
    readonly lags: boolean
  } | null
}

/** Which wrapping-key ids open what is stored; `null` = there is nothing. */
export interface SealedUnder {
  readonly sealedUnder: {
    readonly record: string | null
    readonly status: string | null
    /** As they were last looked at; `null` = nobody has looked yet. */
    readonly items: LoginItemsUnder | null
  }
}

/** A schedule's look: 'held' = somebody else is at it. */
export type DueSync = 'synced' | 'not-due' | 'held'

export interface DiagnoseOptions {
  /** A login that was refused is tried once more. */
  readonly login: boolean
}

/** What `edge-keyring doctor` shows. */
export interface Diagnosis {
  /** Milliseconds since 1970. */
  readonly time: number
  /** They are in the order of the way; every check is there once. */
  readonly findings: readonly Finding[]
}

/** What the authority can be asked about a keyring: what is said beside its name, and the answer. All of it is plain data. */
interface KeyringOperations {
  /** 'unchanged' = the stored revision is `known` (0 = nothing known). `null` = never synced. */
  readonly read: { readonly says: { readonly known: number }; readonly answer: Bytes | 'unchanged' | null }
  readonly status: {
    readonly says: object
    readonly answer: SyncStatus & NextTry & Replicated & SealedUnder
  }
  readonly sync: { readonly says: { readonly options: SyncOptions }; readonly answer: SyncReport }
  /**
   * A schedule asks this once a minute; it keeps record and replica up too. A failed sync is a failure here too.
   * @param refused as the status will have it; absent = nothing was.
   */
  readonly syncIfDue: {
    readonly says: { readonly refused?: SyncStatus['refused'] | undefined }
    readonly answer: DueSync
  }
  /** Somebody has a value of a key that is not held: the source is asked, at most once a minute. The answer is that of `read`. */
  readonly seek: { readonly says: { readonly id: string }; readonly answer: Bytes | null }
  /** A new key at the source. `dryRun` = it says what would be, and writes nothing. */
  readonly rotate: { readonly says: { readonly dryRun: boolean }; readonly answer: RotationReport }
  /** Nothing of the record changes. @param mountKeeps versions that the mount keeps, for whoever wants to rotate; `null` = nobody does. */
  readonly offer: {
    readonly says: { readonly push: Push; readonly mountKeeps: number | null }
    readonly answer: PushAnswer
  }
  /** A sync with what was observed, and read of what is lacking: all of it, or its first versions. */
  readonly deliver: {
    readonly says: { readonly push: Push; readonly reads: readonly PlainRead[] }
    readonly answer: SyncReport
  }
  /** The answer is the sealed record as it is now. */
  readonly change: { readonly says: { readonly change: KeyringChange }; readonly answer: Bytes }
  /** All that is stored is sealed anew under the first wrapping key; it may stop half-way, and goes on when it is asked again. */
  readonly reseal: {
    readonly says: object
    /** `sealed` is the record as it is now; `null` = never synced. */
    readonly answer: SealedUnder & { readonly sealed: Bytes | null }
  }
  /** The way to Vault, step by step; an answer may be some seconds old. */
  readonly diagnose: { readonly says: DiagnoseOptions; readonly answer: Diagnosis }
  /** `record` is a sealed record, as `read` has answered it once. */
  readonly import: {
    readonly says: { readonly record: string; readonly force: boolean }
    readonly answer: ImportReport
  }
}

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

/** The same about the secrets of a vault, by its prefix. */
interface VaultOperations {
  /** The states of the secrets, sealed, in their order. `refresh` = the vault is asked for what is fresh too. */
  readonly resolve: {
    readonly says: { readonly secrets: readonly SecretName[]; readonly refresh: boolean }
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

interface Operations extends KeyringOperations, VaultOperations {}
export type KeyringOperation = keyof KeyringOperations
export type VaultOperation = keyof VaultOperations
export type Operation = keyof Operations
export type AnswerTo<O extends Operation> = Operations[O]['answer']
type Subject<O extends Operation> = O extends VaultOperation ? { readonly vault: string } : { readonly keyring: string }
/** One question, about one keyring or one vault. */
export type Message<O extends Operation = Operation> = {
  readonly [P in O]: { readonly call: P } & Subject<P> & Operations[P]['says']
}[O]

/** The application behind the record store. Sealed bytes travel; the caller verifies and opens them with its own key. */
export interface KeyringAuthority {
  call<O extends Operation>(message: Message<O>): Promise<Result<AnswerTo<O>>>
}
