/** Vault's fetch where there is Node: the runtime's own or, with an authority, a client certificate or a server name, undici's. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Agent } from 'undici'
import type { VaultSettings } from '../../src/config/config.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { VAULT_CONCURRENCY } from '../../src/core/limits.ts'
import type { Fetch } from '../../src/core/ports.ts'
import { isSpecial, readTls, stampOf } from './tls-files.ts'

type Undici = typeof import('undici')

/** Short: a function that was frozen finds its connections dead. */
const KEEP_ALIVE_MS = 4000

export interface VaultFetch {
  readonly fetch: Fetch
  /** Waits for requests under way. */
  close(): Promise<void>
}

/** What is not for Vault's origin goes out by the runtime's own fetch: no other host is shown the certificate. */
export function vaultFetch(vault: Pick<VaultSettings, 'address' | 'tls'> | null): VaultFetch {
  if (vault === null || !vault.address.startsWith('https:') || !isSpecial(vault.tls))
    return { fetch: (request) => fetch(request), close: async () => {} }
  const { address, tls } = vault
  const client = new TlsClient(tls)
  return {
    fetch: (request) => (new URL(request.url).origin === address ? client.fetch(request) : fetch(request)),
    close: () => client.close(),
  }
}

/** One agent with its kept connections, made anew when a file has changed. */
class TlsClient {
  readonly #tls: VaultSettings['tls']
  #undici: Undici | null = null
  #agent: Agent | null = null
  #stamp = ''

  constructor(tls: VaultSettings['tls']) {
    this.#tls = tls
  }

  /** An agent works with the fetch of its own package alone, which takes no Request of the runtime's. */
  async fetch(request: Request): Promise<Response> {
    const undici = (this.#undici ??= await import('undici'))
    const { url, method, headers, redirect, signal } = request
    const body = request.body === null ? null : await request.text()
    // undici frees a connection one turn after its answer has ended; asked earlier it opens another.
    await nextTurn()
    const response = await undici.fetch(url, {
      method,
      headers: [...headers],
      body,
      redirect,
      signal,
      dispatcher: this.#current(undici),
    })
    return response as unknown as Response
  }

  async close(): Promise<void> {
    await this.#agent?.close()
  }

  /** Files that do not hold together, such as a new certificate beside the old key, are looked at again at the next request. */
  #current(undici: Undici): Agent {
    const stamp = stampOf(this.#tls)
    if (this.#agent !== null && stamp === this.#stamp) return this.#agent
    const { credentials, problems } = readTls(this.#tls, Date.now())
    const [problem] = problems
    if (problem !== undefined) {
      if (this.#agent !== null) return this.#agent
      throw new KeyringError('ERR_CONFIG_INVALID', `${problem.name} ${problem.message}.`, {
        facts: { setting: problem.name },
      })
    }
    const old = this.#agent
    this.#stamp = stamp
    this.#agent = newAgent(undici, credentials)
    void old?.close()
    return this.#agent
  }
}

/** HTTP/1.1: over HTTP/2 a refused client certificate shows as a broken session. */
const newAgent = ({ Agent: Made }: Undici, { ca, ...rest }: ReturnType<typeof readTls>['credentials']): Agent =>
  new Made({
    connect: { ...rest, ...(ca !== undefined && { ca: [...ca] }), rejectUnauthorized: true },
    allowH2: false,
    connections: VAULT_CONCURRENCY,
    keepAliveTimeout: KEEP_ALIVE_MS,
  })
