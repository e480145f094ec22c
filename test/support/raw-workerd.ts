/** The Worker on workerd alone, without a simulator between it and the network: TLS is the runtime's own. */
import { execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from './tls-vault.ts'
import type { Pair } from './certificates.ts'

const ROOT = join(import.meta.dirname, '../..')
const START_MS = 30_000
const run = promisify(execFile)

/** One Worker with settings of its own, and bindings that carry Vault's requests. */
export interface Instance {
  readonly settings: Readonly<Record<string, string>>
  /** A binding that presents a client certificate to the Vault on this port of loopback. */
  readonly presents?: { readonly binding: string; readonly port: number; readonly pair: Pair }
}

export interface RawWorkerd<Name extends string> {
  readonly url: Readonly<Record<Name, string>>
  close(): Promise<void>
}

/** @param ca what is trusted beside public authorities, in PEM. */
export async function startWorkerd<Name extends string>(
  instances: Readonly<Record<Name, Instance>>,
  ca: string,
): Promise<RawWorkerd<Name>> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-workerd-'))
  const bin = join(ROOT, 'node_modules/.bin')
  await run(join(bin, 'wrangler'), ['deploy', '--dry-run', '--outdir', folder], { cwd: ROOT })
  const names = Object.keys(instances) as Name[]
  const ports = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await freePort()])))
  mkdirSync(join(folder, 'state'))
  writeFileSync(join(folder, 'config.capnp'), configOf(instances, ports, ca))
  const child = spawn(join(bin, 'workerd'), ['serve', 'config.capnp'], { cwd: folder, stdio: 'ignore' })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const url = Object.fromEntries(names.map((name) => [name, `http://127.0.0.1:${ports[name]}`])) as Record<Name, string>
  const close = async () => {
    process.off('exit', kill)
    kill()
    await exited
    rmSync(folder, { recursive: true, force: true })
  }
  const ended = exited.then(() => Promise.reject(new Error('workerd ended.')))
  try {
    for (const name of names) await Promise.race([untilAlive(url[name]), ended])
    return { url, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function untilAlive(url: string): Promise<void> {
  const signal = AbortSignal.timeout(START_MS)
  while (
    !(await fetch(`${url}/healthz`, { signal }).then(
      ({ ok }) => ok,
      () => false,
    ))
  )
    signal.throwIfAborted()
}

/** Texts of Cap'n Proto are quoted as JSON's are, as far as these go. */
const quoted = (text: string): string => JSON.stringify(text)

function configOf(
  instances: Readonly<Record<string, Instance>>,
  ports: Readonly<Record<string, number>>,
  ca: string,
): string {
  const trusted = `trustBrowserCas = true, trustedCertificates = [${quoted(ca)}]`
  const services = Object.entries(instances).flatMap(([name, instance]) => [
    worker(name, instance),
    ...(instance.presents === undefined ? [] : [presenting(name, instance.presents, trusted)]),
  ])
  const sockets = Object.entries(ports).map(
    ([name, port]) => `(name = "${name}", address = "127.0.0.1:${port}", http = (), service = "${name}")`,
  )
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [${services.join(',\n')},
    (name = "state", disk = (path = "state", writable = true)),
    (name = "net", network = (allow = ["public", "private"], tlsOptions = (${trusted}))) ],
  sockets = [${sockets.join(',\n')}] );
`
}

function worker(name: string, { settings, presents }: Instance): string {
  const texts = Object.entries(settings).map(([setting, text]) => `(name = "${setting}", text = ${quoted(text)})`)
  const carried = presents === undefined ? [] : [`(name = "${presents.binding}", service = "${name}-vault")`]
  const object = '(name = "KEYRING_OBJECT", durableObjectNamespace = "KeyringObject")'
  return `(name = "${name}", worker = (
    modules = [(name = "worker", esModule = embed "worker.js")], compatibilityDate = "2026-10-01",
    durableObjectNamespaces = [(className = "KeyringObject", uniqueKey = "${name}", enableSql = true)],
    durableObjectStorage = (localDisk = "state"), globalOutbound = "net",
    bindings = [${[object, ...texts, ...carried].join(',\n')}]))`
}

const presenting = (name: string, { port, pair }: NonNullable<Instance['presents']>, trusted: string): string =>
  `(name = "${name}-vault", external = (address = "localhost:${port}", https = (certificateHost = "localhost",
    tlsOptions = (${trusted}, keypair = (privateKey = ${quoted(pair.key)}, certificateChain = ${quoted(pair.cert)})))))`
