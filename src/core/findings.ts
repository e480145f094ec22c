/** What an examination of the way to Vault has found: for people, step by step, and for machines. */
import type { End } from './ends.ts'
import type { Facts, KeyringErrorCode } from './errors.ts'

/** The steps, in the order in which they depend on each other. */
export const CHECKS = [
  'dns',
  'tcp',
  'tls',
  'server',
  'clock',
  'login',
  'token',
  'mount',
  'capabilities',
  'secret',
  'versions',
  'rate-limit',
  'rotation',
] as const
export type Check = (typeof CHECKS)[number]

/** The detail of a step that was skipped because an earlier one failed. */
export const POINTLESS = 'Not looked at: an earlier step failed.'

export interface Finding {
  readonly check: Check
  /** 'skipped' = an earlier failure makes it pointless, or it cannot be looked at from here. */
  readonly outcome: 'ok' | 'warning' | 'failed' | 'skipped'
  /** A sentence that never holds a secret. */
  readonly detail: string
  /** Absent when all is well. */
  readonly code?: KeyringErrorCode
  /** What to do. Absent when there is nothing to do. */
  readonly remedy?: string
  readonly facts?: Facts
  /** What ends by itself of what was seen. */
  readonly ends?: readonly End[]
}

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

/** Looks at the way to Vault's port, where the platform can. It never throws, and sends nothing of ours. */
export type Probe = (signal: AbortSignal) => Promise<readonly Finding[]>

/** Why a sync would not make that key the active one; the rest of a sentence. `null` = it would. */
export type Refuses = (id: string, commitment: string) => string | null
