/** Vault's fetch where there is Node: the runtime's own or, with an authority, a client certificate or a server name, undici's. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type * as undici from 'undici'
import type { VaultSettings } from '../../src/config/config.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { MAX_VAULT_BODY_BYTES, VAULT_CONCURRENCY } from '../../src/core/limits.ts'
import type { Fetch } from '../../src/core/ports.ts'
import type { Credentials } from './tls-files.ts'
import { isSpecial, readTls, stampOf } from './tls-files.ts'

type Undici = Pick<typeof undici, 'Agent' | 'request'>

/** Connections are kept for a short time, because a function that was frozen finds its connections dead. */
const KEEP_ALIVE_MS = 4000

export interface VaultFetch {
  readonly fetch: Fetch
  /** Closes it, after the requests under way. */
  close(): Promise<void>
}

/** What is not for Vault's origin, and so for the identity provider if there is one, goes out without Vault's authorities and certificate. */
export function vaultFetch(vault: Pick<VaultSettings, 'address' | 'tls' | 'providerTls'> | null): VaultFetch {
  if (vault === null) return { fetch: (request) => fetch(request), close: async () => {} }
  const { address, tls, providerTls } = vault
  const { origin } = new URL(address)
  const toVault = address.startsWith('https:') && isSpecial(tls) ? new TlsClient(tls) : null
  const toOthers = providerTls === null ? null : new TlsClient(providerTls)
  return {
    fetch(request) {
      const client = new URL(request.url).origin === origin ? toVault : toOthers
      return client === null ? fetch(request) : client.fetch(request)
    },
    async close() {
      await Promise.all([toVault?.close(), toOthers?.close()])
    },
  }
}

/** One agent with its kept connections, made anew when a file has changed. */
class TlsClient {
  readonly #tls: VaultSettings['tls']
  #undici: Undici | null = null
  #agent: undici.Agent | null = null
  #stamp = ''

  constructor(tls: VaultSettings['tls']) {
    this.#tls = tls
  }

  /** The request goes by undici's `request`, which costs half of what its fetch does. (The runtime's own fetch takes no agent of another undici.) */
  async fetch({ url, method, headers, signal, body: given }: Request): Promise<Response> {
    // In a bundle that is split, what was CommonJS has no other export.
    const { Agent, request } = (this.#undici ??= (await import('undici')).default)
    const sent = given === null ? null : await new Response(given).text()
    // undici frees a connection one turn after its answer has ended; asked earlier it opens another.
    await nextTurn()
    const dispatcher = this.#current(Agent)
    const answer = await request(url, {
      method,
      headers: Object.fromEntries(headers),
      body: sent,
      signal,
      dispatcher,
    })
    const body = await answer.body.arrayBuffer()
    return new Response(body.byteLength === 0 ? null : body, {
      status: answer.statusCode,
      headers: headersOf(answer.headers),
    })
  }

  async close(): Promise<void> {
    await this.#agent?.close()
  }

  /** Files that do not hold together, such as a new certificate beside the old key, are looked at again at the next request. */
  #current(Agent: Undici['Agent']): undici.Agent {
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
    this.#agent = newAgent(Agent, credentials)
    void old?.close()
    return this.#agent
  }
}

const headersOf = (headers: Readonly<Record<string, string | string[] | undefined>>): [string, string][] =>
  Object.entries(headers).flatMap(([name, value]) => [value ?? []].flat().map((text): [string, string] => [name, text]))

/** The agent speaks HTTP/1.1, because over HTTP/2 a refused client certificate shows as a broken session. */
const newAgent = (Agent: Undici['Agent'], { ca, ...rest }: Credentials): undici.Agent =>
  new Agent({
    connect: { ...rest, ...(ca !== undefined && { ca: [...ca] }), rejectUnauthorized: true },
    allowH2: false,
    connections: VAULT_CONCURRENCY,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxResponseSize: MAX_VAULT_BODY_BYTES,
  })
