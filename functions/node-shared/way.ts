/** The one way to Vault, and to all that a login asks, where there is Node: undici's `request`, whatever is set. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { brotliDecompress, unzip, zstdDecompress } from 'node:zlib'
import type { VaultSettings } from '../../src/config/vault.ts'
import type { Env } from '../../src/config/setting.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { MAX_VAULT_BODY_BYTES } from '../../src/core/limits.ts'
import type { Fetch } from '../../src/core/ports.ts'
import type { Received, Dispatcher, Undici } from './connection.ts'
import { dispatcherOf, loadUndici } from './connection.ts'
import type { HttpProxy } from './proxy.ts'
import { askedBy, proxyFor } from './proxy.ts'
import type { Credentials } from './tls-files.ts'
import { isSpecial, readTls, stampOf } from './tls-files.ts'

/** One part that is loaded later splits less off what is loaded at the start than two do. */
export { loadUndici } from './connection.ts'
export { look } from './look.ts'
export { readTls } from './tls-files.ts'

/** Milliseconds that others than Vault are waited for at most. */
const OTHERS_MS = 5000

export interface VaultFetch {
  readonly fetch: Fetch
  /** Closes it, after the requests under way. */
  close(): Promise<void>
}

export type WaySettings = Pick<VaultSettings, 'address' | 'tls' | 'providerTls' | 'timeoutMs'>

/** What is not for Vault's origin, and so for the identity provider if there is one, goes out without Vault's authorities and certificate. */
export function openWay({ address, tls, providerTls, timeoutMs }: WaySettings, env: Env): VaultFetch {
  const toVault = new Client(address.startsWith('https:') && isSpecial(tls) ? tls : null, timeoutMs, env)
  const toOthers = new Client(providerTls, OTHERS_MS, env)
  const { origin } = new URL(address)
  return {
    fetch: (request) => (new URL(request.url).origin === origin ? toVault : toOthers).fetch(request),
    async close() {
      await Promise.all([toVault.close(), toOthers.close()])
    },
  }
}

/** Dispatchers with their kept connections, one for each proxy and one without; they are made anew when a file has changed. */
class Client {
  readonly #tls: VaultSettings['tls'] | null
  readonly #timeoutMs: number
  readonly #env: Env
  readonly #dispatchers = new Map<string, Dispatcher>()
  #undici: Undici | null = null
  #credentials: Credentials | null = null
  #stamp = ''

  /** @param tls `null` = what the runtime trusts. */
  constructor(tls: VaultSettings['tls'] | null, timeoutMs: number, env: Env) {
    this.#tls = tls
    this.#timeoutMs = timeoutMs
    this.#env = env
  }

  /** undici's `request` costs half of what a fetch does. */
  async fetch({ url, method, headers, signal, body: given }: Request): Promise<Response> {
    const loaded = (this.#undici ??= await loadUndici())
    const body = given === null ? null : await new Response(given).text()
    // undici frees a connection one turn after its answer has ended; asked earlier it opens another.
    await nextTurn()
    const proxy = proxyFor(new URL(url), this.#env)
    const dispatcher = this.#dispatcher(loaded, proxy)
    const sent = { 'user-agent': 'edge-keyring', ...Object.fromEntries(headers) }
    const answer = await loaded.request(url, { method, headers: sent, body, signal, dispatcher }).catch(thrownBy(proxy))
    return responseOf(answer)
  }

  async close(): Promise<void> {
    await Promise.all(this.#take().map((each) => each.close()))
  }

  #dispatcher(loaded: Undici, proxy: HttpProxy | null): Dispatcher {
    const credentials = this.#current()
    const name = proxy?.setting ?? ''
    const known = this.#dispatchers.get(name)
    if (known !== undefined) return known
    const made = dispatcherOf(loaded, credentials, proxy, this.#timeoutMs)
    this.#dispatchers.set(name, made)
    return made
  }

  /** Files that do not hold together, such as a new certificate beside the old key, are looked at again at the next request. */
  #current(): Credentials {
    if (this.#tls === null) return {}
    const stamp = stampOf(this.#tls)
    if (this.#credentials !== null && stamp === this.#stamp) return this.#credentials
    const { credentials, problems } = readTls(this.#tls, Date.now())
    const [problem] = problems
    if (problem !== undefined) {
      if (this.#credentials !== null) return this.#credentials
      throw new KeyringError('ERR_CONFIG_INVALID', `${problem.name} ${problem.message}.`, {
        facts: { setting: problem.name },
      })
    }
    this.#stamp = stamp
    for (const old of this.#take()) void old.close()
    return (this.#credentials = credentials)
  }

  #take(): readonly Dispatcher[] {
    const all = [...this.#dispatchers.values()]
    this.#dispatchers.clear()
    return all
  }
}

const thrownBy =
  (proxy: HttpProxy | null) =>
  (error: unknown): never => {
    throw proxy !== null && error instanceof Error ? askedBy(proxy, error) : error
  }

/** An answer is whole, and unpacked, because it is read once and has a bound. */
async function responseOf({ statusCode: status, headers, body }: Received): Promise<Response> {
  const packed = Buffer.from(await body.arrayBuffer())
  if (status < 200 || status > 599) throw foreign('HPE_INVALID_STATUS')
  const bytes = packed.length === 0 ? packed : await unpacked(packed, [headers['content-encoding'] ?? []].flat().join())
  const isEmpty = bytes.length === 0 || status === 205
  return new Response(isEmpty ? null : new Uint8Array(bytes), { status, headers: headersOf(headers) })
}

const [unzipped, unbrotlied, unzstandarded] = [promisify(unzip), promisify(brotliDecompress), promisify(zstdDecompress)]
type Unpack = (packed: Buffer, bound: { readonly maxOutputLength: number }) => Promise<Buffer>
/** None is asked for, but what stands in front of a server may pack all the same. */
const UNPACK = new Map<string, Unpack>([
  ['gzip', unzipped],
  ['x-gzip', unzipped],
  ['deflate', unzipped],
  ['br', unbrotlied],
  ['zstd', unzstandarded],
])
const BOUND = { maxOutputLength: MAX_VAULT_BODY_BYTES }

/** The last one named was done last. What cannot be unpacked stays as it is, and is no answer of Vault's. */
async function unpacked(packed: Buffer, encodings: string): Promise<Buffer> {
  const steps = encodings
    .toLowerCase()
    .split(/\s*,\s*/)
    .flatMap((name) => UNPACK.get(name) ?? [])
  try {
    return await steps.reduceRight(async (bytes, unpack) => unpack(await bytes, BOUND), Promise.resolve(packed))
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') throw foreign('UND_ERR_RES_EXCEEDED_MAX_SIZE')
    return packed
  }
}

/** The codes are those under which the network's trouble is known. */
const foreign = (code: string): Error => Object.assign(new Error('The answer cannot be read.'), { code })

const headersOf = (headers: Readonly<Record<string, string | string[] | undefined>>): [string, string][] =>
  Object.entries(headers).flatMap(([name, value]) => [value ?? []].flat().map((text): [string, string] => [name, text]))
