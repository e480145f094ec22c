/** The work at Vault under the lease of a token: it is renewed, or a login gives another one. */
import { KeyringError } from '../../core/errors.ts'
import type { KeyringErrorCode } from '../../core/errors.ts'
import type { Clock } from '../../core/ports.ts'
import type { Secret } from '../../core/secret.ts'
import type { LoginMethod } from '../login/method.ts'
import type { TokenVault } from '../login/vault.ts'
import { holding, renewed, sharedToken } from './state.ts'
import type { SharedToken, TokenState, Work } from './state.ts'

export interface WorkParts {
  readonly method: LoginMethod
  readonly vault: TokenVault
  readonly clock: Clock
  /** 0 to 1, for jitter. */
  readonly random: () => number
}

export interface Done {
  readonly state: TokenState
  readonly token: SharedToken
  /** How often it may be used. */
  readonly uses: number
  /** Nobody else has it yet, so that it is revoked if the state cannot be written. */
  readonly isNew: boolean
}

/** With these the server says that it will not renew: the token is not renewable, has no policy `default`, is at its maximum or gone. */
const WILL_NOT: ReadonlySet<KeyringErrorCode> = new Set(['ERR_VAULT_DENIED', 'ERR_VAULT_REQUEST_REFUSED'])

/** @param above a generation that the new one is above, whatever the store has lost. */
export async function workAtVault(
  parts: WorkParts,
  state: TokenState,
  work: Work,
  above: number,
  signal: AbortSignal,
): Promise<Done> {
  const token = work.kind === 'renew' ? await renew(parts, work.token, signal) : null
  if (token !== null) return { state: holding(state, state.generation, token), token, uses: Infinity, isNew: false }
  return login(parts, state, above, signal)
}

async function renew(parts: WorkParts, token: SharedToken, signal: AbortSignal): Promise<SharedToken | null> {
  const at = parts.clock.now()
  try {
    const issued = await parts.vault.renew(token.secret, signal)
    // A token that ends is not renewed for ever: 0 s are its last.
    const isOver = issued.ttlSeconds === 0 && token.expires !== null
    return isOver ? null : renewed(token, issued, at, parts.random())
  } catch (error) {
    if (error instanceof KeyringError && WILL_NOT.has(error.code)) return null
    throw error
  }
}

/** A token with a number of uses is not shared, since others cannot count them, and not looked at, since that counts. */
async function login(parts: WorkParts, state: TokenState, above: number, signal: AbortSignal): Promise<Done> {
  const at = parts.clock.now()
  const issued = await parts.method.login(parts.vault, signal)
  const isShared = issued.uses === 0
  if (isShared) await refuseOtherNamespace(parts.vault, issued.token, signal)
  const token = sharedToken(issued, at, parts.random())
  const next = holding(state, Math.max(state.generation, above) + 1, isShared ? token : null)
  return { state: next, token, uses: isShared ? Infinity : issued.uses, isNew: true }
}

async function refuseOtherNamespace(vault: TokenVault, token: Secret, signal: AbortSignal): Promise<void> {
  try {
    await vault.checkNamespace(token, signal)
  } catch (error) {
    await vault.revoke(token, signal)
    throw error
  }
}
