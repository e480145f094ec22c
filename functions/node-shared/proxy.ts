/**
 * Which proxy of the environment stands before an address, and what it means when that proxy fails. HTTPS_PROXY, HTTP_PROXY and
 * NO_PROXY are read as Vault's own client reads them, which is Go's way. undici has rules of its own, without networks in NO_PROXY and
 * without loopback, and does not say what they decide; the doctor must know.
 */
import { BlockList, isIP } from 'node:net'
import type { Env } from '../../src/config/setting.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { isLoopback } from '../../src/core/loopback.ts'
import { Secret } from '../../src/core/secret.ts'
import { ProxyTrouble } from '../../src/vault/wire/shapes.ts'
import { unansweredBy } from '../../src/vault/wire/unreached.ts'

export interface HttpProxy {
  /** The variable that names it. */
  readonly setting: string
  /** Without user and password. */
  readonly origin: string
  /** What it is told in `Proxy-Authorization`; `null` = nothing. */
  readonly authorization: Secret | null
}

/** These are of this machine or its link, where a proxy would reach its own: metadata services, which give identities. */
const NEAR = /^(169\.254\.[\d.]+|\[fe80:.*|\[fd00:ec2::.*|metadata\.google\.internal)$/

/** `null` = there is none, or it is not for this address. @throws `ERR_CONFIG_INVALID`. */
export function proxyFor({ protocol, hostname, port }: URL, env: Env): HttpProxy | null {
  const isTls = protocol === 'https:'
  const setting = setIn(env, isTls ? 'HTTPS_PROXY' : 'HTTP_PROXY')
  if (setting === null || isLoopback(hostname) || NEAR.test(hostname)) return null
  const host = bare(hostname).replace(/\.$/, '')
  const excluded = env[setIn(env, 'NO_PROXY') ?? '']?.toLowerCase().split(/[\s,]+/) ?? []
  if (excluded.some((entry) => covers(entry, host, port || (isTls ? '443' : '80')))) return null
  return proxyAt(setting, env[setting] ?? '')
}

/** An IPv6 address has its brackets where a port may follow it, and nowhere else. */
export const bare = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, '$1')

/** The name under which it is set: in capitals or not. */
const setIn = (env: Env, name: string): string | null =>
  [name, name.toLowerCase()].find((each) => (env[each] ?? '') !== '') ?? null

/** One entry of NO_PROXY: a host with all below it, `.host` for those below it alone, an address or a network, with a port or without. */
function covers(entry: string, host: string, port: string): boolean {
  if (entry === '' || entry === '*') return entry === '*'
  const [, name = entry, only = port] = isIP(entry) === 6 ? [] : (/^(.+?)(?::(\d+))?$/.exec(entry) ?? [])
  return only === port && isWithin(host, bare(name).replace(/^\*\./, '.'))
}

function isWithin(host: string, name: string): boolean {
  const [address = '', bits] = name.split('/')
  if (isIP(address) !== 0) return isIP(host) !== 0 && network(address, bits).check(host, family(host))
  const suffix = name.replace(/\.$/, '')
  return suffix.startsWith('.') ? host.endsWith(suffix) : host === suffix || host.endsWith(`.${suffix}`)
}

const family = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4')

/** What is no network has no address in it. */
function network(address: string, bits: string | undefined): BlockList {
  const list = new BlockList()
  if (bits === undefined) list.addAddress(address, family(address))
  else if (/^\d{1,3}$/.test(bits) && Number(bits) <= (isIP(address) === 6 ? 128 : 32))
    list.addSubnet(address, Number(bits), family(address))
  return list
}

/** @param setting The name of whatever has `text`. @throws `ERR_CONFIG_INVALID`, without the text. */
function proxyAt(setting: string, text: string): HttpProxy {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  const credentials = url && credentialsIn(url)
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.pathname + url.search + url.hash === '/'
  if (!isPlain || credentials === null)
    throw new KeyringError('ERR_CONFIG_INVALID', `${setting} is not the address of an HTTP proxy.`, {
      facts: { setting },
      remedy: `Write ${setting} as http://<host>:<port>, with <user>:<password>@ before the host if the proxy asks for them; or name the host in NO_PROXY.`,
    })
  const basic = `Basic ${Buffer.from(credentials).toString('base64')}`
  return { setting, origin: url.origin, authorization: credentials === '' ? null : new Secret(basic) }
}

/** '' = none; `null` = they cannot be read. */
function credentialsIn({ username, password }: URL): string | null {
  try {
    return username + password === '' ? '' : `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  } catch {
    return null
  }
}

/** The proxy itself was not reached. What is no trouble of the network stays as it is. */
export function unreachedProxy({ setting, origin }: HttpProxy, error: Error): Error {
  const trouble = error instanceof ProxyTrouble ? null : unansweredBy(error)
  if (trouble === null) return error
  return failing(`: the proxy ${origin} ${trouble.what}`, `Check ${setting}, and that the proxy runs`)
}

export const blaming =
  (proxy: HttpProxy) =>
  (error: unknown): never => {
    throw error instanceof Error ? unreachedProxy(proxy, error) : error
  }

/** undici has the status of a proxy that does not connect in its message alone. */
const REFUSAL = /^Proxy (?:response|Authentication Required) \((\d{3})\)/

/** What was thrown for a request by that proxy: the proxy's part is told as such, the rest is of whoever was asked. */
export function askedBy(proxy: HttpProxy, error: Error & { readonly code?: unknown }): Error {
  const [, status] = REFUSAL.exec(error.message) ?? []
  if (status !== undefined) return refusedByProxy(proxy, Number(status))
  const { code, cause } = error
  return cause instanceof Error && String(code).startsWith('UND_ERR_PRX_') ? unreachedProxy(proxy, cause) : error
}

/** The proxy does not connect to the host. */
export function refusedByProxy({ setting, origin }: HttpProxy, status: number): ProxyTrouble {
  if (status === 407)
    return failing(
      `: the proxy ${origin} asks for user and password, or refuses those it gets (407)`,
      `Give them in ${setting}, as http://<user>:<password>@<host>:<port>, special characters as % codes`,
    )
  return status < 500
    ? failing(
        `: the proxy ${origin} refuses to connect to it (${status})`,
        'Let the proxy connect to that host and port',
      )
    : failing(` by the proxy ${origin} (${status})`, 'Check that the proxy resolves the name and reaches the port')
}

/** The word `reason` of the error is `EPROXY`. */
const failing = (how: string, remedy: string): ProxyTrouble =>
  new ProxyTrouble({
    code: 'ERR_VAULT_UNREACHABLE',
    step: 'connect',
    what: `is not reached${how}`,
    remedy: `${remedy}; or name the host in NO_PROXY if it can be reached without the proxy.`,
  })
