/** One authenticated request on its way through a handler, and its line in the audit log. */
import type { DiagnoseOptions, Diagnosis } from '../core/findings.ts'
import type { Action } from '../core/api-token.ts'
import { isGranted, resolvable } from '../auth/grants.ts'
import type { Caller } from '../auth/tokens.ts'
import type { Awaitable } from '../core/awaitable.ts'
import type { KeyringErrorCode } from '../core/errors.ts'
import { KeyringError } from '../core/errors.ts'
import type { Audit, AuditEvent, Clock } from '../core/ports.ts'
import type { VaultView } from '../core/secrets.ts'
import type { Used } from '../keyring/batch.ts'
import type { Keyring } from '../keyring/keyring.ts'
import type { Secrets } from '../secrets/secrets.ts'
import type { Incoming } from './dispatch.ts'
import type { Reply } from './reply.ts'

/** A request, and what its path says. */
export interface Context {
  readonly request: Incoming
  readonly path: string
  /** Of the keyring, or a vault's prefix; '' where the path has none. */
  readonly name: string
}

interface Place {
  readonly method: 'GET' | 'POST'
  readonly path: string
}

type Handler<Asked> = (call: Asked) => Awaitable<Reply>
type Handlers<Name extends string, Asked> = Readonly<Record<Name, Handler<Asked>>>

/** By the names that routes have for them. */
export interface RareHandlers {
  readonly keyring: Handlers<
    | 'status'
    | 'doctor'
    | 'doctorWithLogin'
    | 'sync'
    | 'rotate'
    | 'push'
    | 'reseal'
    | 'remove'
    | 'compromise'
    | 'export'
    | 'import',
    Call
  >
  readonly vaults: Handlers<'resolve' | 'push' | 'list' | 'vaults' | 'vault', VaultCall>
}

export interface KeyringRoute extends Place {
  /** 'open' = needs no credential, and is not audited. */
  readonly action: Action | 'open'
  readonly handle: Handler<Call> | keyof RareHandlers['keyring']
}

/** Of the vaults behind references: no keyring is opened for it. */
export interface VaultRoute extends Place {
  /** 'resolve' = some reference may be resolved; which ones is asked of each. */
  readonly action: Action | 'resolve'
  readonly answer: keyof RareHandlers['vaults']
}

export type Route = KeyringRoute | VaultRoute

/** The vaults behind references, as requests meet them. */
export interface Vaults {
  /** `null` = there are none. */
  readonly secrets: Secrets | null
  readonly views: readonly VaultView[]
  /** `null` = there is nothing to say. */
  readonly overview: VaultsOverview | null
}

/** For the status of a keyring and its doctor. */
export interface VaultsOverview {
  /** `vaults` absent = there are none. */
  status(): Promise<{ readonly vaults?: readonly object[]; readonly needed: readonly string[] }>
  checks(options: DiagnoseOptions): Promise<readonly ChecksOfVault[]>
}

export interface ChecksOfVault {
  readonly vault: string
  readonly checks: Diagnosis['findings']
}

export const NO_VAULTS: Vaults = { secrets: null, views: [], overview: null }

/** How many references of one request came to the same. */
export interface Resolution {
  /** `undefined` = to none that is configured. */
  readonly vault: string | undefined
  readonly code: KeyringErrorCode | null
  readonly count: number
}

export interface VaultCall extends Vaults {
  readonly context: Context
  readonly grants: ReadonlySet<string>
  /** The name of who calls. */
  readonly caller: string
  /** In milliseconds since 1970. */
  readonly now: number
  /** For the audit log, before anything is refused or done for it. */
  readonly asks: (facts: Readonly<Record<string, boolean>>) => void
  readonly resolved: (all: readonly Resolution[]) => void
  /** Waits until the audit log has the call. @throws `ERR_AUDIT_UNAVAILABLE`, after which nothing may happen. */
  readonly begin: () => Promise<void>
}

export class Call {
  readonly context: Context
  readonly keyring: Keyring
  readonly vaults: Vaults
  readonly #trail: Trail
  readonly #caller: Caller | null

  constructor(context: Context, keyring: Keyring, caller: Caller | null, trail: Trail, vaults: Vaults) {
    this.context = context
    this.keyring = keyring
    this.vaults = vaults
    this.#caller = caller
    this.#trail = trail
  }

  /** @throws `ERR_FORBIDDEN`. */
  require(action: Action): void {
    requireGrant(this.#caller, action, this.keyring.name)
  }

  /** Whether the caller may do this everywhere, and not only with this keyring. */
  mayEverywhere(action: Action): boolean {
    return this.#caller !== null && isGranted(this.#caller.grants, action, null)
  }

  /** For the audit log, before anything is refused or done for it. */
  asks(facts: Readonly<Record<string, boolean>>): void {
    this.#trail.facts = facts
  }

  /** Waits until the audit log has the call. @throws `ERR_AUDIT_UNAVAILABLE`, after which nothing may happen. */
  begin(keyId: string | null): Promise<void> {
    this.#trail.keyId = keyId
    return this.#trail.begin()
  }

  used(keyId: string | null): void {
    this.#trail.keyId = keyId
  }

  /** Of a batch. */
  usedMany(outcomes: readonly Used[]): void {
    this.#trail.outcomes = outcomes
  }
}

export const unauthenticated = (): KeyringError =>
  new KeyringError('ERR_UNAUTHENTICATED', 'The request carries no live API token.')

/** The grant is asked for before the keyring is looked up, so that denied and nonexistent look alike. */
export function requireGrant(caller: Caller | null, action: Action | 'resolve', keyring: string | null): void {
  if (caller === null) throw unauthenticated()
  const { grants } = caller
  if (action === 'resolve' ? resolvable(grants) === null : !isGranted(grants, action, keyring)) {
    throw new KeyringError('ERR_FORBIDDEN', `The API token "${caller.name}" may not do this.`, { facts: { action } })
  }
}

/** All that the audit log gets to know of one request. */
export class Trail {
  keyId: string | null = null
  caller: string | null = null
  facts: AuditEvent['facts']
  /** In place of one line for the whole request. `null` = it has one. */
  outcomes: readonly (Resolution | Used)[] | null = null
  readonly request: string
  readonly #audit: Audit
  readonly #clock: Clock
  readonly #action: string
  readonly #keyring: string | null

  constructor(audit: Audit, clock: Clock, request: string, action: string, keyring: string | null) {
    this.#audit = audit
    this.#clock = clock
    this.request = request
    this.#action = action
    this.#keyring = keyring
  }

  begin(): Promise<void> {
    return this.#audit.commit(this.#event('begun', null))
  }

  /** Where the whole was refused no part of it came to anything. */
  end(code: KeyringErrorCode | null): void {
    for (const { code: own, ...more } of this.outcomes ?? [{ code }]) {
      const why = own ?? code
      this.#audit.note({ ...this.#event(outcomeOf(why), why), ...more })
    }
  }

  #event(outcome: AuditEvent['outcome'], code: KeyringErrorCode | null): AuditEvent {
    return {
      time: this.#clock.now(),
      request: this.request,
      caller: this.caller,
      action: this.#action,
      keyring: this.#keyring,
      keyId: this.keyId,
      count: 1,
      outcome,
      code,
      facts: this.facts,
    }
  }
}

const outcomeOf = (code: KeyringErrorCode | null): AuditEvent['outcome'] =>
  code === null ? 'ok' : REFUSALS.has(code) ? 'refused' : 'failed'

const REFUSALS: ReadonlySet<KeyringErrorCode> = new Set([
  'ERR_UNAUTHENTICATED',
  'ERR_FORBIDDEN',
  'ERR_ROUTE_NOT_FOUND',
  'ERR_METHOD_NOT_ALLOWED',
])
