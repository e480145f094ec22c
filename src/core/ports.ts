/**
 * Every port, but for the authority (`operations.ts`) and the doctor's probe (`findings.ts`). Absence and failure are in the
 * comments; an operation that cannot be done throws a `KeyringError`.
 */
import type { Awaitable } from './awaitable.ts'
import type { Bytes } from './bytes.ts'
import type { KeyringErrorCode } from './errors.ts'
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

/** A record store, as far as it is read. */
export type ReadableStore = Pick<RecordStore, 'get'>

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

/** The key of all messages whose nonces begin alike. */
export interface MessageKey {
  readonly brand: 'MessageKey'
}

/** XAES-256-GCM (C2SP) in its two steps, and HKDF-SHA-256 (RFC 5869). node:crypto answers at once, WebCrypto later: callers await. */
export interface Cipher {
  importKey(raw: Bytes): Awaitable<CipherKey>
  /** `prefix` is the first 12 bytes of a nonce. */
  messageKey(key: CipherKey, prefix: Bytes): Awaitable<MessageKey>
  /** The last 12 bytes of `head` are the rest of the nonce. The answer is `head`, ciphertext and 16-byte tag. Text is taken as UTF-8. */
  seal(key: MessageKey, head: Bytes, plaintext: Bytes | string, aad: Bytes): Awaitable<Bytes>
  /** `sealed` is what `seal` answers, with a head of `headBytes` bytes. `null` = not authentic. */
  open(key: MessageKey, sealed: Bytes, headBytes: number, aad: Bytes): Awaitable<Bytes | null>
  /** Salt ASCII `edge-keyring/v1`; `info` ASCII. */
  derive(ikm: Bytes, info: string, length: 16 | 32): Awaitable<Bytes>
}

/** How an encryptor draws its nonces, as the platform and its user have it. */
export interface NonceRules {
  /** So many are drawn ahead, 16 at most; 0 where a process may be copied or frozen at any time. */
  readonly ahead: number
  /** All 24 bytes are drawn for each value, so that no two tell that one process wrote them. */
  readonly unlinkable: boolean
  /** What was drawn while it said something else is dropped. */
  invocation(): string | number
  /** Bytes of the operating system itself: a copy of this process gets other ones. */
  fresh(length: number): Bytes
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
  /** The prefix of a vault that is configured; absent = the action concerns none. */
  readonly vault?: string | undefined
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

/** How rotations are done, as the operator sets it. */
export interface RotationRules {
  /** `null` = by hand alone. */
  readonly cadence: Cadence | null
  /** So long others have to sync before a new version becomes active, in milliseconds. */
  readonly delayMs: number
  /** The source may prune a version whose key is held here. */
  readonly prunesHeld: boolean
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
