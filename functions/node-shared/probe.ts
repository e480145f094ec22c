/** Looks at the way to a port, step by step, where there is Node: name, connection, TLS. Nothing of ours is sent. */
import { lookup } from 'node:dns/promises'
import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import type { VaultSettings } from '../../src/config/config.ts'
import type { Finding, Probe } from '../../src/core/findings.ts'
import type { Clock } from '../../src/core/ports.ts'
import { failedCheck } from '../../src/vault/doctor/finding.ts'
import { fromThrown } from '../../src/vault/wire/unreached.ts'
import type { Credentials } from './tls-files.ts'
import { readTls } from './tls-files.ts'

const DAY_MS = 86_400_000
/** A certificate that is good for less should have been replaced, unless its whole life is so short that it is not due yet. */
const SOON_DAYS = 14
const DUE = 1 / 4

/** What is trusted and presented is read anew at each look. */
export function probeOf(vault: Pick<VaultSettings, 'address' | 'tls'> | null, clock: Clock): Probe | null {
  if (vault === null) return null
  const url = new URL(vault.address)
  const target = { host: url.host, path: '/', isTls: url.protocol === 'https:' }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const port = Number(url.port || (target.isTls ? 443 : 80))
  const unreached = (check: Finding['check']) => (error: unknown) => {
    const found = fromThrown(target, error)
    if (found === null) throw error
    return failedCheck(check, found.error)
  }

  return async (signal) => {
    const name = await resolve(host).catch(unreached('dns'))
    if (name.outcome === 'failed') return [name]
    const tcp = await reach(host, port, signal).catch(unreached('tcp'))
    if (tcp.outcome === 'failed' || !target.isTls) return [name, tcp]
    const { credentials } = readTls(vault.tls, clock.now())
    const tls = await agree({ host, port, servername: host, ...credentials }, signal, clock).catch(unreached('tls'))
    return [name, tcp, tls]
  }
}

async function resolve(host: string): Promise<Finding> {
  const addresses = await lookup(host, { all: true })
  const list = addresses.map(({ address }) => address).join(', ')
  return { check: 'dns', outcome: 'ok', detail: `${host} is ${list}.` }
}

async function reach(host: string, port: number, signal: AbortSignal): Promise<Finding> {
  const socket = await opened(connectTcp({ host, port }), 'connect', signal)
  socket.destroy()
  return { check: 'tcp', outcome: 'ok', detail: `Port ${port} accepts connections.` }
}

async function agree(
  options: Credentials & { host: string; port: number; servername: string },
  signal: AbortSignal,
  clock: Clock,
): Promise<Finding> {
  const { ca, servername, ...rest } = options
  const name = /^[\d.]+$|:/.test(servername) ? {} : { servername }
  const tls = connectTls({ ...rest, ...name, ...(ca !== undefined && { ca: [...ca] }), rejectUnauthorized: true })
  const socket = await opened(tls, 'secureConnect', signal)
  const certificate = socket.getPeerCertificate()
  const version = socket.getProtocol() ?? 'TLS'
  socket.destroy()
  return judge(certificate, version, clock.now())
}

function judge({ valid_from: from, valid_to: until }: PeerCertificate, version: string, now: number): Finding {
  const left = Date.parse(until) - now
  const days = Math.floor(left / DAY_MS)
  const isDue = left < (Date.parse(until) - Date.parse(from)) * DUE
  const detail = `${version}; the chain and the name hold, and the certificate is good for ${days} days.`
  const facts = { daysLeft: days }
  if (days >= SOON_DAYS || !isDue) return { check: 'tls', outcome: 'ok', detail, facts }
  return { check: 'tls', outcome: 'warning', detail, remedy: "Renew Vault's certificate.", facts }
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
