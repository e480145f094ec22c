/** The doctor's look at the way to Vault's port, step by step: name, connection, TLS, by the proxy if there is one. Nothing of ours is sent. */
import { lookup } from 'node:dns/promises'
import { connect as connectTcp, isIP } from 'node:net'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import type { VaultSettings } from '../../src/config/vault.ts'
import type { Env } from '../../src/config/setting.ts'
import { KeyringError } from '../../src/core/errors.ts'
import type { Finding } from '../../src/core/findings.ts'
import type { Clock } from '../../src/core/ports.ts'
import { failedCheck } from '../../src/vault/doctor/finding.ts'
import { fromThrown } from '../../src/vault/wire/unreached.ts'
import { addressing, loadUndici, tlsOptions, tunnel } from './connection.ts'
import type { HttpProxy } from './proxy.ts'
import { bare, blaming, proxyFor } from './proxy.ts'
import { readTls } from './tls-files.ts'

const DAY_MS = 86_400_000
const STEPS = ['dns', 'tcp', 'tls'] as const

type Looked = Pick<VaultSettings, 'address' | 'tls' | 'timeoutMs'>

/** What is trusted and presented is read anew at each look. @param env names the proxies. */
export async function look(vault: Looked, clock: Clock, env: Env, signal: AbortSignal): Promise<readonly Finding[]> {
  const url = new URL(vault.address)
  const isTls = url.protocol === 'https:'
  const found: Finding[] = []
  try {
    const proxy = proxyFor(url, env)
    found.push(await resolve(url, proxy))
    const { socket, detail } = await reach(url, proxy, vault.timeoutMs, signal)
    found.push({ check: 'tcp', outcome: 'ok', detail })
    if (isTls) found.push(await agree(socket, url, vault, signal, clock))
    socket.destroy()
    return found
  } catch (error) {
    return [...found, failure(STEPS[found.length] ?? 'tls', { host: url.host, path: '/', isTls }, error)]
  }
}

/** @throws what is a defect. */
function failure(check: Finding['check'], target: Parameters<typeof fromThrown>[0], error: unknown): Finding {
  const known = error instanceof KeyringError ? error : fromThrown(target, error)?.error
  if (known === undefined) throw error
  return failedCheck(check, known)
}

async function resolve({ hostname }: URL, proxy: HttpProxy | null): Promise<Finding> {
  if (proxy === null) return { check: 'dns', outcome: 'ok', detail: `${await addresses(hostname)}.` }
  const { origin, setting } = proxy
  const found = await addresses(new URL(origin).hostname).catch(blaming(proxy))
  return { check: 'dns', outcome: 'ok', detail: `The way is through the proxy ${origin} (${setting}): ${found}.` }
}

async function addresses(hostname: string): Promise<string> {
  const all = await lookup(bare(hostname), { all: true })
  return `${hostname} is ${all.map(({ address, family }) => (family === 6 ? `[${address}]` : address)).join(', ')}`
}

const portOf = ({ port, protocol }: URL): number => Number(port || (protocol === 'https:' ? 443 : 80))

interface Reached {
  /** The next step goes over it. */
  readonly socket: Duplex
  readonly detail: string
}

async function reach(url: URL, proxy: HttpProxy | null, timeoutMs: number, signal: AbortSignal): Promise<Reached> {
  if (proxy === null) {
    const socket = await connected(url, timeoutMs, signal)
    return { socket, detail: `Port ${portOf(url)} accepts connections.` }
  }
  if (url.protocol === 'https:') {
    const host = `${url.hostname}:${portOf(url)}`
    const socket = await tunnel(await loadUndici(), proxy, host, timeoutMs, signal)
    return { socket, detail: `The proxy connects to ${host}.` }
  }
  const socket = await connected(new URL(proxy.origin), timeoutMs, signal).catch(blaming(proxy))
  return { socket, detail: `The proxy accepts connections; whether it reaches ${url.host} the next steps tell.` }
}

const connected = (url: URL, timeoutMs: number, signal: AbortSignal): Promise<Socket> =>
  opened(connectTcp({ host: bare(url.hostname), port: portOf(url), ...addressing(timeoutMs) }), 'connect', signal)

async function agree(
  socket: Duplex,
  { hostname }: URL,
  { tls }: Looked,
  signal: AbortSignal,
  clock: Clock,
): Promise<Finding> {
  const host = bare(hostname)
  const { credentials, ends } = readTls(tls, clock.now())
  const options = { socket, host, ...(isIP(host) === 0 && { servername: host }), ...tlsOptions(credentials) }
  const secured = await opened(connectTls(options), 'secureConnect', signal)
  const certificate = secured.getPeerCertificate()
  const version = secured.getProtocol() ?? 'TLS'
  secured.destroy()
  const found = judge(certificate, version, clock.now())
  return { ...found, ends: [...(found.ends ?? []), ...ends] }
}

function judge({ valid_from: from, valid_to: until }: PeerCertificate, version: string, now: number): Finding {
  const [since, at] = [Date.parse(from), Date.parse(until)]
  const days = Math.floor((at - now) / DAY_MS)
  const detail = `${version}; the chain and the name hold, and the certificate is good for ${days} days.`
  const words = "Vault's certificate"
  const remedy = "Renew Vault's certificate."
  const ends = [{ what: 'vault-certificate', name: null, words, remedy, since, at }] as const
  return { check: 'tls', outcome: 'ok', detail, facts: { daysLeft: days }, ends }
}

function opened<S extends Socket | TLSSocket>(
  socket: S,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const stop = () => socket.destroy(Object.assign(new Error('No answer in time.'), { code: 'ETIMEDOUT' }))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    socket.once(event, () => resolve(socket))
    socket.once('error', reject)
    socket.once('close', () => signal.removeEventListener('abort', stop))
  })
}
