/**
 * The errors of the product. The codes are stable and part of the public contract: each has a remedy here, in
 * `service-remedies.ts` or in `vault-remedies.ts`, a status in `http/problem.ts` and a row in `docs/errors.md`. New ones may be added
 * freely; none is ever renamed.
 */
import type { Awaitable } from './awaitable.ts'
import type { SERVICE_REMEDIES } from './service-remedies.ts'
import type { VAULT_REMEDIES } from './vault-remedies.ts'

export const REMEDIES = {
  ERR_CONFIG_INVALID: 'Correct the settings named; docs/settings.md has all.',

  ERR_REQUEST_INVALID: 'Correct what is named.',
  ERR_INTERNAL: 'Find the line with "defect" in the log, and report it.',

  ERR_KEY_NOT_FOUND: 'Check the key id, and sync if the key is new.',
  ERR_SNAPSHOT_STALE: 'Try again; decryption goes on. If it lasts, find out why the authority does not answer.',
  ERR_KEY_UNVERIFIED: 'Try again in a few seconds.',
  ERR_KEY_MISMATCH: 'The value was made with another key of this id: find the keyring that made it.',
  ERR_NO_ACTIVE_KEY: 'Write a usable version to Vault and sync.',
  ERR_CIPHERTEXT_INVALID: 'Pass the value exactly as encrypt returned it.',
  ERR_DECRYPT_FAILED: 'Pass the context of the encryption, and the value unaltered.',
  ERR_TEXT_INVALID: 'Give or take it as bytes, over HTTP with "encoding": "base64".',

  ERR_REFERENCE_INVALID: 'Write {vault://<vault>/<resource>/<key>}, with nothing around it.',
  ERR_REFERENCE_VAULT_UNKNOWN: 'Name a vault that is configured, as by KONG_VAULT_HCV_… or KEYRING_VAULTS.',
  ERR_SECRET_NOT_FOUND: 'Check resource, version and mount, or write the secret.',
  ERR_SECRET_FORBIDDEN: "Give the vault's login the right to read it.",
  ERR_SECRET_UNUSABLE: 'Correct the key of the reference, or the secret.',

  ERR_RECORD_INVALID: 'The record was altered or is of another keyring: import a backup, with "force".',
  ERR_RECORD_ROLLED_BACK: 'Restore the newer record; a restart accepts the older one.',
  ERR_WRAPPING_KEY_MISSING: 'Add the wrapping key named to KEYRING_WRAPPING_KEYS.',
  ERR_WRAPPING_KEY_WRONG:
    'Put the first key of this id into KEYRING_WRAPPING_KEYS, or what was derived from it for this keyring; a new key needs a new id.',
  ERR_STORE_UNAVAILABLE: 'Check the record store (KEYRING_DATABASE) and its disk.',
  ERR_AUTHORITY_UNAVAILABLE:
    'Try again; if it lasts, see the platform and its log. What this instance holds stays in service.',
} as const

export type KeyringErrorCode = keyof typeof REMEDIES | keyof typeof SERVICE_REMEDIES | keyof typeof VAULT_REMEDIES

const told: Partial<Record<KeyringErrorCode, string>> = { ...REMEDIES }

/** Makes the remedies of another table known. */
export function teach(remedies: Partial<Record<KeyringErrorCode, string>>): void {
  Object.assign(told, remedies)
}

/** Of a code that nobody throws here. */
const ELSEWHERE = 'See docs/errors.md.'

/** Remedies say "sync"; where others push a keyring, that is what helps. */
export const ofPush = (remedy: string): string => remedy.replace(/\bsync\b/g, 'push').replace(/\bSync\b/, 'Push')

export const remedyFor = (code: KeyringErrorCode): string => told[code] ?? ELSEWHERE

/** What the document of an error says itself: of RFC 9457, and ours. */
export const DOCUMENT_FIELDS = [
  'type',
  'title',
  'status',
  'detail',
  'instance',
  'code',
  'message',
  'remedy',
  'request',
] as const

/** They stand beside the fields of the document, so that none may have such a name. */
export type Facts = Readonly<Record<string, string | number>> & {
  readonly [Field in (typeof DOCUMENT_FIELDS)[number]]?: never
}

/**
 * An error that a caller or operator can meet. `message`, `remedy` and `facts` are public: they never hold a token, key, secret
 * value or upstream body. There is deliberately no `cause`, because foreign errors quote what they were given.
 */
export class KeyringError extends Error {
  /** A minifier would take it, and Node prints it. */
  static override readonly name = 'KeyringError'
  override readonly name = 'KeyringError'
  readonly code: KeyringErrorCode
  readonly remedy: string
  readonly facts: Facts

  /** Each entry of the package has a class of its own, and what one throws is an error to whoever has imported it from another. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== KeyringError) return super[Symbol.hasInstance](value)
    return value instanceof Error && value.name === 'KeyringError' && 'code' in value && 'remedy' in value
  }

  constructor(code: KeyringErrorCode, message: string, more: { remedy?: string; facts?: Facts } = {}) {
    super(message)
    this.code = code
    this.remedy = more.remedy ?? remedyFor(code)
    this.facts = more.facts ?? {}
  }
}

/** An error as plain data: what crosses a process boundary and what the status record keeps. */
export interface ErrorData {
  readonly code: KeyringErrorCode
  readonly message: string
  readonly remedy: string
  readonly facts: Facts
}

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ErrorData }

function failure(error: unknown): ErrorData {
  if (!(error instanceof KeyringError)) throw error
  return { code: error.code, message: error.message, remedy: error.remedy, facts: error.facts }
}

/** Runs `work` and turns a KeyringError into data; anything else is a defect and goes on as it is. */
export async function settle<T>(work: () => Awaitable<T>): Promise<Result<T>> {
  try {
    return { ok: true, value: await work() }
  } catch (error) {
    return { ok: false, error: failure(error) }
  }
}

/** The same, where nothing was tried. */
type Why = ConstructorParameters<typeof KeyringError>

export const errorData = (...why: Why): ErrorData => failure(new KeyringError(...why))

export const refusal = (...why: Why): Result<never> => ({ ok: false, error: errorData(...why) })

export const errorFrom = (data: ErrorData): KeyringError => new KeyringError(data.code, data.message, data)

export function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value
  throw errorFrom(result.error)
}
