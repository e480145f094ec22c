/**
 * Every port, but for the doctor's probe (`findings.ts`). Absence and failure are in the comments; an operation that cannot be
 * done throws a `KeyringError`. What may cross a process boundary is plain data.
 */
import type { Awaitable } from './awaitable.ts'
import type { Bytes } from './bytes.ts'
import type { End } from './ends.ts'
import type { Facts, KeyringErrorCode, Result } from './errors.ts'
import type { Finding } from './findings.ts'
import type { Secret } from './secret.ts'

export interface StoredRecord {
  readonly bytes: Bytes
  /** The store's own: 1 at the first put, +1 at each, never reused. */
  readonly version: number
}

/** Strongly consistent, with compare-and-set. There is no delete: versions are never reused. */
export interface RecordStore {
  /** `null` = never written. The same object may be returned again as long as nothing was written. */
  get(name: string): Promise<StoredRecord | null>
  /**
   * `expected` 0 = must not exist. 'conflict' = somebody else wrote first, nothing was written now. An ambiguous answer
   * is settled inside, by reading again.
   * @throws `ERR_RECORD_TOO_LARGE` above 350 KiB, `ERR_STORE_UNAVAILABLE`.
   */
  put(name: string, bytes: Bytes, expected: number): Promise<StoredRecord | 'conflict'>
}

/** A record store that instances read too. */
export interface SharedStore extends RecordStore {
  /** How long its slowest reader, of whatever platform, encrypts by what it has read, in milliseconds. */
  readonly readersMs: number
}

/** A copy near the instance. It may be stale, forget or fail, and never throws; what it holds is verified like a stranger's. */
export interface Replica {
  /** `null` = ask the authority. */
  get(name: string): Promise<Bytes | null>
  /** Whether it took them. */
  set(name: string, bytes: Bytes): Promise<boolean>
}

/** Work that goes on after the answer: the platform keeps the instance alive for it. It does not reject. */
export type Background = (work: Promise<void>) => void

export interface SourceId {
  readonly kind: 'kv1' | 'kv2'
  /** Scheme, host and port. */
  readonly address: string
  readonly namespace: string
  readonly mount: string
  readonly path: string
}

interface ObservedVersion {
  readonly version: number
  readonly state: 'readable' | 'deleted' | 'destroyed'
  /** When it was written, in milliseconds since 1970; `null` = the source does not say. */
  readonly createdMs: number | null
}

/** What the source holds now. */
export interface Observation {
  /** The secret's own `created_time`: version numbers start again at 1 when it is deleted and made again. KV version 1 has none. */
  readonly incarnation: string
  /** 0 = no version yet. */
  readonly current: number
  /** They ascend; the last one is the current one. */
  readonly versions: readonly ObservedVersion[]
  /** What is the case with a version up to the current one that is not listed. 'unknown' = pruned, or left out of this answer alone. */
  readonly unlisted: 'destroyed' | 'unknown'
  /** The source's own time, in milliseconds since 1970. */
  readonly sourceMs: number
  /** Versions that the source keeps of this secret; 0 = the secret does not say. */
  readonly keeps: number
}

/** Opaque; made and opened by `crypto` alone, so that key bytes never leave it. Inspection shows these two fields. */
export interface KeyMaterial {
  /** 16 bytes in base64url that name the key without telling it. */
  readonly commitment: string
  /** The key string cannot hold 128 bits, or is printed in public documentation. */
  readonly weak: boolean
}

export type Malformed = 'no-id' | 'bad-id' | 'no-key' | 'key-not-string'
type ReadOf<Key> = { readonly version: number } & (
  | ({ readonly kind: 'key'; readonly id: string; readonly createdMs: number } & Key)
  | { readonly kind: 'malformed'; readonly why: Malformed }
  | { readonly kind: 'deleted' | 'destroyed' | 'gone' }
)
export type VersionRead = ReadOf<{ readonly material: KeyMaterial }>
/** A version as the source has it, with the key string. */
export type PairRead = ReadOf<{ readonly key: Secret }>
/** The same as plain data, on its way to the authority. */
export type PlainRead = ReadOf<{ readonly key: string }>

/** Throws for outages and refusals; "deleted" and "nothing there" are values. */
export interface KeySource {
  readonly id: SourceId
  /** `null` = there is no such secret. */
  observe(signal: AbortSignal): Promise<Observation | null>
  read(version: number, signal: AbortSignal): Promise<VersionRead>
}

/** A key source for whoever hands over what it holds, and uses nothing of it. */
export interface PairSource {
  /** `null` = there is no such secret. */
  observe(signal: AbortSignal): Promise<Observation | null>
  read(version: number, signal: AbortSignal): Promise<PairRead>
}

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

/** What a rotation does to a source. Throws for outages and refusals; after an outage nobody knows whether it was written. */
export interface KeySink {
  /** Versions that are kept of a secret that does not say itself; 0 = that is not said either. */
  keeps(signal: AbortSignal): Promise<number>
  /** Asks beforehand what `write` may; where the source does not say, it is not refused. @throws as `write` would. */
  mayWrite(signal: AbortSignal): Promise<void>
  /** Writes the version after `expected`. 'conflict' = `expected` is not the current one. */
  write(pair: KeyPair, expected: number, signal: AbortSignal): Promise<{ readonly createdMs: number } | 'conflict'>
}

export interface KeyPair {
  readonly id: string
  readonly key: Secret
}

/** When keys are rotated: every so often, or at the times of a cron expression. */
export interface Cadence {
  /** The next time after `since`, both in milliseconds since 1970; `null` = there is none. */
  after(since: number): number | null
}

/** From five fields and a time zone, `null` = UTC, to their times. `null` = they are none, or no time ever comes. */
export type ReadCron = (expression: string, zone: string | null) => Cadence | null

/**
 * Which failure of an earlier login does not keep from another try: for work that goes on by itself none; for whoever asks now an
 * outage; for an operator who says so a refusal too, though Vault may count it.
 */
export type Insistence = 'none' | 'outage' | 'refusal'

/** `token` = the caller's own, for this one sync; `null` = the deployment's login. */
export type OpenKeySource = (token: string | null, how: { readonly insist: Insistence }) => KeySource

export interface CipherKey {
  readonly brand: 'CipherKey'
}

/** XAES-256-GCM (C2SP) and HKDF-SHA-256 (RFC 5869). node:crypto answers at once, WebCrypto later: callers await. */
export interface Cipher {
  importKey(raw: Bytes): Awaitable<CipherKey>
  /** `nonce` has 24 bytes; the answer is ciphertext and 16-byte tag. */
  seal(key: CipherKey, nonce: Bytes, plaintext: Bytes, aad: Bytes): Awaitable<Bytes>
  /** `null` = not authentic. */
  open(key: CipherKey, nonce: Bytes, ciphertext: Bytes, aad: Bytes): Awaitable<Bytes | null>
  /** Salt ASCII `edge-keyring/v1`; `info` ASCII. */
  derive(ikm: Bytes, info: string, length: 16 | 32): Awaitable<Bytes>
}

export interface Hash {
  /** The digest of the UTF-8, as 64 lower-case hex digits: it is on the way of every request, and bytes cost Node four times as much. */
  sha256(text: string): Awaitable<string>
  /** HMAC-SHA-256. */
  hmac(key: Bytes, data: Bytes): Awaitable<Bytes>
  /** Compares in constant time when the lengths are equal. */
  equal(a: Bytes, b: Bytes): Awaitable<boolean>
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Rejects with the signal's reason when it aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

export type Fetch = (request: Request) => Promise<Response>

export interface AuditEvent {
  /** Milliseconds since 1970. */
  readonly time: number
  readonly request: string
  /** Name of the API token; `null` = not authenticated. */
  readonly caller: string | null
  readonly action: string
  readonly keyring: string | null
  readonly keyId: string | null
  readonly count: number
  /** 'begun' is committed before an action that must not happen unaudited. */
  readonly outcome: 'begun' | 'ok' | 'refused' | 'failed'
  readonly code: KeyringErrorCode | null
  /** What the caller asked for beside the action, such as `force`; absent = it has no such choices, or they were not read. */
  readonly facts?: Readonly<Record<string, boolean>> | undefined
}

export interface Audit {
  /** The event is buffered, and may be lost with the process. */
  note(event: AuditEvent): void
  /** Resolves when written. @throws `ERR_AUDIT_UNAVAILABLE`: the action must not happen. */
  commit(event: AuditEvent): Promise<void>
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

/** How rotations are done, as the operator sets it. */
export interface RotationRules {
  /** `null` = by hand alone. */
  readonly cadence: Cadence | null
  /** So long others have to sync before a new version becomes active, in milliseconds. */
  readonly delayMs: number
  /** The source may prune a version whose key is held here. */
  readonly prunesHeld: boolean
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
  /** What was not taken of the settings that are read again while an instance runs, in sentences. */
  readonly refused: readonly string[]
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

/** Wrapping-key ids. */
export interface LoginItemsUnder {
  /** Under which there are tokens that somebody may still use. */
  readonly tokens: readonly string[]
  /** Under which there is what else logins keep, such as the secret id out of a wrapping token. */
  readonly logins: readonly string[]
}

/** What is stored of the Vault login. */
export interface LoginItems {
  /** Seals all of it anew under the first wrapping key, and says what is under which now. `isDone` false = some of it was in use, and is left for later. */
  sealAnew(): Promise<LoginItemsUnder & { readonly isDone: boolean }>
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
interface Operations {
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
export type Operation = keyof Operations
export type AnswerTo<O extends Operation> = Operations[O]['answer']
/** One question, about one keyring. */
export type Message<O extends Operation = Operation> = {
  readonly [P in O]: { readonly call: P; readonly keyring: string } & Operations[P]['says']
}[O]

/** The application behind the record store. Sealed bytes travel; the caller verifies and opens them with its own key. */
export interface KeyringAuthority {
  call<O extends Operation>(message: Message<O>): Promise<Result<AnswerTo<O>>>
}
