/** Whether the server has namespaces: one that has none answers from the root, whatever is asked for, and tells it in `sys/health` alone. */
import * as z from 'zod/mini'
import { only } from './schema.ts'
import { KeyringError } from '../../core/errors.ts'
import { placeOf } from '../../core/printable.ts'
import { vaultError } from './errors.ts'
import type { VaultTransport } from './transport.ts'

/** With this query every state is answered with 200, so that the body tells. */
export const HEALTH = {
  segments: ['sys', 'health'],
  query: { standbyok: 'true', perfstandbyok: 'true', sealedcode: '200', uninitcode: '200', drsecondarycode: '200' },
} as const

/** Vault's community edition says so of itself. OpenBao, which has namespaces, and older Vaults have no such field. */
const communityReply = z.object({ enterprise: only(false) })

/** In Vault's form, `team/keys/`; `null` = the root namespace. */
export function namespacePath(namespace: string): string | null {
  const name = namespace.replace(/^\/+|\/+$/g, '')
  return name === '' || name === 'root' ? null : `${name}/`
}

export class NamespaceCheck {
  readonly #open: VaultTransport
  readonly #host: string
  readonly #named: string | null
  #isDone: boolean

  /** @param open has no namespace, because `sys/health` is outside of all. @param namespaces those that are configured; '' = none. */
  constructor(open: VaultTransport, address: string, namespaces: readonly string[]) {
    this.#open = open
    this.#host = placeOf(address)
    this.#named = namespaces.find((name) => namespacePath(name) !== null) ?? null
    this.#isDone = this.#named === null
  }

  /** It costs one request in the life of a process, and none where no namespace is configured. @throws `ERR_VAULT_NAMESPACE_IGNORED`, or that Vault cannot be reached. */
  async once(signal: AbortSignal): Promise<void> {
    if (!this.#isDone) await this.look(signal)
  }

  /** The same, for another look, before a credential is shown to the server. */
  async look(signal: AbortSignal): Promise<void> {
    if (this.#named === null) return
    const health = await this.#open.get({ ...HEALTH, token: null, signal }).catch(unlessUnreached)
    const isIgnored = typeof health === 'object' && z.safeParse(communityReply, health.body).success
    this.#isDone = health !== 'away' && !isIgnored
    if (!isIgnored) return
    const target = { host: this.#host, path: '/v1/sys/health', isTls: false }
    throw vaultError('ERR_VAULT_NAMESPACE_IGNORED', target, 'has no namespaces', { namespace: this.#named })
  }
}

/** A proxy may hide that path for good, and a server may be away: then the requests that follow tell what is wrong. */
function unlessUnreached(error: unknown): 'hidden' | 'away' {
  if (!(error instanceof KeyringError) || error.facts['step'] !== 'read') throw error
  const { vaultStatus } = error.facts
  return typeof vaultStatus === 'number' && vaultStatus < 500 && vaultStatus !== 429 ? 'hidden' : 'away'
}

/** Nothing is asked of a server before it is known not to ignore the namespace. */
export const checkedTransport = (transport: VaultTransport, check: NamespaceCheck): VaultTransport => ({
  async get(request) {
    await check.once(request.signal)
    return transport.get(request)
  },
  async post(request) {
    await check.once(request.signal)
    return transport.post(request)
  },
})
