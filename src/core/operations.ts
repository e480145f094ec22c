/** What the authority can be asked, and what it answers about a keyring. All of it is plain data, and may cross a process boundary. */
import type { Bytes } from './bytes.ts'
import type { End } from './ends.ts'
import type { Facts, KeyringErrorCode, Result } from './errors.ts'
import type { DiagnoseOptions, Diagnosis } from './findings.ts'
import type { SourceId, Observation, PlainRead, LoginItemsUnder } from './ports.ts'
import type { VaultOperations } from './vault-operations.ts'

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

interface UsedOperations {
  readonly read: Operations['read']
  readonly seek: Operations['seek']
  readonly status: { readonly answer: Pick<AnswerTo<'status'>, 'lastSuccess'> }
}

type UsedOperation = keyof UsedOperations
export type UsedHandlers = {
  readonly [O in UsedOperation]: (message: Message<O>) => Promise<UsedOperations[O]['answer']>
}

/** As far as whoever only uses a keyring asks it. */
export interface UsedAuthority {
  call<O extends UsedOperation>(message: Message<O>): Promise<Result<UsedOperations[O]['answer']>>
}

/** The application behind the record store. Sealed bytes travel; the caller verifies and opens them with its own key. */
export interface KeyringAuthority {
  call<O extends Operation>(message: Message<O>): Promise<Result<AnswerTo<O>>>
}
