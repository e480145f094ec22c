/** A real OpenBao with a listener for each TLS case, in one process and in memory. Its certificates are test material. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Authority, Pair } from './certificates.ts'
import { authority, selfSigned } from './certificates.ts'

/** What each listener presents, or asks for. */
const LISTENERS = ['good', 'selfSigned', 'wrongHost', 'incomplete', 'expired', 'mutual', 'plain'] as const
export type Listener = (typeof LISTENERS)[number]

export interface TlsVault {
  readonly token: string
  readonly unsealKey: string
  readonly port: Readonly<Record<Listener, number>>
  /** `https://localhost:…`, and `http://` for the plain one. */
  readonly address: Readonly<Record<Listener, string>>
  /** The authority of the listeners (`ca.pem`), and of the client certificates. */
  readonly root: Authority
  /** For files of tests; `ca.pem` is in it. */
  readonly folder: string
  /** Paths of all requests so far, by its audit log. */
  audited(): string[]
  /** Writes a file into the folder. @returns its path. */
  write(name: string, text: string): string
  close(): Promise<void>
}

const START_MS = 30_000
const UNSEAL = { secret_shares: 1, secret_threshold: 1 }

export async function startTlsVault(binary: string): Promise<TlsVault> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-tls-'))
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  const root = await authority('Vault authority')
  write('ca.pem', root.cert)
  const port = Object.fromEntries(
    await Promise.all(LISTENERS.map(async (name) => [name, await freePort()])),
  ) as TlsVault['port']
  const address = Object.fromEntries(
    LISTENERS.map((name) => [name, `${name === 'plain' ? 'http' : 'https'}://localhost:${port[name]}`]),
  ) as TlsVault['address']
  const config = write('config.hcl', `${await configOf(root, port, write)}${audit(folder)}`)
  const close = await run(binary, config, folder)
  try {
    return {
      ...(await initialise(address.plain)),
      port,
      address,
      root,
      folder,
      audited: () => audited(folder),
      write,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function configOf(root: Authority, port: TlsVault['port'], write: TlsVault['write']): Promise<string> {
  const below = await root.authority('Vault intermediate')
  const hosts = ['localhost', '127.0.0.1']
  const leaf = await below.issue('good', { hosts })
  const chained = (pair: Pair): Pair => ({ ...pair, cert: pair.cert + below.cert })
  const presented: Readonly<Record<Exclude<Listener, 'plain'>, Pair>> = {
    good: chained(leaf),
    incomplete: leaf,
    mutual: chained(leaf),
    selfSigned: await selfSigned('self-signed', { hosts }),
    wrongHost: chained(await below.issue('elsewhere', { hosts: ['vault.example'] })),
    expired: chained(await below.issue('expired', { hosts, from: -3, to: -2 })),
  }
  const mutual = `tls_require_and_verify_client_cert = true\n  tls_client_ca_file = "${write('client-ca.pem', root.cert)}"`
  const blocks = Object.entries(presented).map(([name, pair]) =>
    listener(port[name as Listener], [
      `tls_cert_file = "${write(`${name}.pem`, pair.cert)}"`,
      `tls_key_file = "${write(`${name}.key`, pair.key)}"`,
      ...(name === 'mutual' ? [mutual] : []),
    ]),
  )
  return ['storage "inmem" {}', ...blocks, listener(port.plain, ['tls_disable = true']), ''].join('\n')
}

const AUDIT = 'audit.log'
const audit = (folder: string): string =>
  `audit "file" "requests" {\n  options {\n    file_path = "${join(folder, AUDIT)}"\n  }\n}\n`

function audited(folder: string): string[] {
  const lines = readFileSync(join(folder, AUDIT), 'utf8').trim().split('\n')
  const entries = lines.map((line) => JSON.parse(line) as { type: string; request: { path: string } })
  return entries.filter(({ type }) => type === 'request').map(({ request }) => request.path)
}

const listener = (port: number, lines: readonly string[]): string =>
  [`listener "tcp" {`, `  address = "127.0.0.1:${port}"`, ...lines.map((line) => `  ${line}`), '}'].join('\n')

async function run(binary: string, config: string, folder: string): Promise<() => Promise<void>> {
  const env = { PATH: process.env['PATH'], HOME: folder }
  const child = spawn(binary, ['server', `-config=${config}`], { env, stdio: 'ignore' })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  return async () => {
    process.off('exit', kill)
    kill()
    await exited
    rmSync(folder, { recursive: true, force: true })
  }
}

async function initialise(address: string): Promise<{ token: string; unsealKey: string }> {
  const signal = AbortSignal.timeout(START_MS)
  const ask = async (method: string, path: string, body?: object) => {
    const response = await fetch(`${address}/v1/${path}`, {
      method,
      signal,
      ...(body && { body: JSON.stringify(body) }),
    })
    return (await response.json()) as Record<string, unknown>
  }
  while ((await ask('GET', 'sys/seal-status').catch(() => null)) === null) await sleep(20, null, { signal })
  const { keys, root_token: token } = await ask('PUT', 'sys/init', UNSEAL)
  const unsealKey = (keys as string[])[0] ?? ''
  await ask('PUT', 'sys/unseal', { key: unsealKey })
  return { token: String(token), unsealKey }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
