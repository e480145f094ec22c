/** What the HTTP function asks of the sync function, in one invoke, and how a `Result` goes over as JSON. */
import { fromBase64, toBase64 } from '../../src/core/bytes.ts'
import type { Result } from '../../src/core/errors.ts'
import type { KeyringChange, SyncOptions, SyncReport } from '../../src/core/ports.ts'

export type AuthorityCall =
  | { readonly call: 'sync'; readonly keyring: string; readonly options: SyncOptions }
  | { readonly call: 'syncIfDue' | 'diagnose'; readonly keyring: string }
  | { readonly call: 'change'; readonly keyring: string; readonly change: KeyringChange }

/** `withinMs` = how long the caller waits. */
export type InvokeEvent = AuthorityCall & { readonly withinMs: number }

type SentReport = Omit<SyncReport, 'sealed'> & { readonly sealed: string }

export const sendReport = (result: Result<SyncReport>): Result<SentReport> =>
  result.ok ? { ok: true, value: { ...result.value, sealed: toBase64(result.value.sealed) } } : result

export const receiveReport = (result: Result<SentReport>): Result<SyncReport> =>
  result.ok ? { ok: true, value: { ...result.value, sealed: receiveBytes(result.value.sealed) } } : result

export const sendSealed = (result: Result<Uint8Array>): Result<string> =>
  result.ok ? { ok: true, value: toBase64(result.value) } : result

export const receiveSealed = (result: Result<string>): Result<Uint8Array<ArrayBuffer>> =>
  result.ok ? { ok: true, value: receiveBytes(result.value) } : result

/** Whoever adopts a record verifies it: what is no base64 is no record. */
const receiveBytes = (text: string) => fromBase64(text) ?? new Uint8Array()
