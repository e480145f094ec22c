/** One authenticated request on its way through a handler, and its line in the audit log. */
import type { Action } from '../core/api-token.ts'
import { isGranted } from '../auth/grants.ts'
import type { Caller } from '../auth/tokens.ts'
import type { Awaitable } from '../core/awaitable.ts'
import type { KeyringErrorCode } from '../core/errors.ts'
import { KeyringError } from '../core/errors.ts'
import type { Audit, AuditEvent, Clock } from '../core/ports.ts'
import type { Keyring } from '../keyring/keyring.ts'
import type { Reply } from './reply.ts'

/** A request, and what its path says. */
export interface Context {
  readonly request: Request
  readonly path: string
  /** Of the keyring; '' where there is no route. */
  readonly name: string
}

export interface Route {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** 'open' = needs no credential, and is not audited. */
  readonly action: Action | 'open'
  readonly handle: (call: Call) => Awaitable<Reply>
}

export class Call {
  readonly context: Context
  readonly keyring: Keyring
  readonly #trail: Trail
  readonly #caller: Caller | null

  constructor(context: Context, keyring: Keyring, caller: Caller | null, trail: Trail) {
    this.context = context
    this.keyring = keyring
    this.#caller = caller
    this.#trail = trail
  }

  /** @throws `ERR_FORBIDDEN`. */
  require(action: Action): void {
    requireGrant(this.#caller, action, this.keyring.name)
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
}

export const unauthenticated = (): KeyringError =>
  new KeyringError('ERR_UNAUTHENTICATED', 'The request carries no live API token.')

/** The grant is asked for before the keyring is looked up, so that denied and nonexistent look alike. */
export function requireGrant(caller: Caller | null, action: Action, keyring: string): void {
  if (caller === null) throw unauthenticated()
  if (!isGranted(caller.grants, action, keyring)) {
    throw new KeyringError('ERR_FORBIDDEN', `The API token "${caller.name}" may not do this.`, { facts: { action } })
  }
}

/** All that the audit log gets to know of one request. */
export class Trail {
  keyId: string | null = null
  caller: string | null = null
  facts: AuditEvent['facts']
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

  end(code: KeyringErrorCode | null): void {
    this.#audit.note(this.#event(code === null ? 'ok' : REFUSALS.has(code) ? 'refused' : 'failed', code))
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

const REFUSALS: ReadonlySet<KeyringErrorCode> = new Set([
  'ERR_UNAUTHENTICATED',
  'ERR_FORBIDDEN',
  'ERR_ROUTE_NOT_FOUND',
  'ERR_METHOD_NOT_ALLOWED',
])
