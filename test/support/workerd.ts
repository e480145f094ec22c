/** Workers on the bare runtime, without wrangler: bundled, served on loopback, their objects in a folder that outlives a kill. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'

export interface Service {
  readonly name: string
  /** The module's file. */
  readonly entry: string
  /** The one class of Durable Objects that it exports. */
  readonly objectClass?: string
  /** Settings and other texts. */
  readonly texts?: Readonly<Record<string, string>>
  /** Bindings to classes of Durable Objects: `<name>: [<class>, <service that exports it>]`. */
  readonly objects?: Readonly<Record<string, readonly [string, string]>>
  /** Bindings to entrypoints of services: `<name>: [<class>, <service that exports it>, <props>]`. */
  readonly entrypoints?: Readonly<Record<string, readonly [string, string, object?]>>
}

export interface Workerd {
  /** By the service's name: `http://127.0.0.1:<port>`. */
  url(service: string): string
  readonly process: ChildProcess
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>
}

const COMPATIBILITY_DATE = '2026-10-01'
const START_MS = 20_000
/** Comes with wrangler. */
const { default: BINARY } = createRequire(createRequire(import.meta.url).resolve('wrangler'))('workerd') as {
  default: string
}

/** Bundles as `wrangler deploy` does. */
async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
  })
  return outputFiles[0]?.text ?? ''
}

/** @param folder gets the configuration, the bundles, and `state/` with what the objects store. */
export async function startWorkerd(folder: string, services: readonly Service[]): Promise<Workerd> {
  mkdirSync(join(folder, 'state'), { recursive: true })
  for (const { name, entry } of services) writeFileSync(join(folder, `${name}.js`), await bundle(entry))
  writeFileSync(join(folder, 'host.capnp'), configuration(services))
  return serve(folder, services)
}

/** Again, after a kill: what was written is still there. */
export async function serve(folder: string, services: readonly Service[]): Promise<Workerd> {
  const child = spawn(BINARY, ['serve', '--control-fd=3', 'host.capnp'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const ports = await listening(child, services.length).catch((error: unknown) => {
    kill()
    throw error
  })
  return {
    url: (service) => `http://127.0.0.1:${ports.get(service)}`,
    process: child,
    async kill() {
      kill()
      await closed
      process.off('exit', kill)
    },
  }
}

function listening(child: ChildProcess, count: number): Promise<ReadonlyMap<string, number>> {
  const ports = new Map<string, number>()
  const printed: string[] = []
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`workerd ${why}. It printed: ${printed.join('\n')}`))
    const timer = setTimeout(() => fail('does not listen'), START_MS)
    createInterface(child.stdio[3] as Readable).on('line', (line) => {
      const { event, socket, port } = JSON.parse(line) as { event: string; socket: string; port: number }
      if (event !== 'listen') return
      ports.set(socket, port)
      if (ports.size < count) return
      clearTimeout(timer)
      resolve(ports)
    })
    createInterface(child.stdio[2] as Readable).on('line', (line) => printed.push(line))
    child.once('close', () => {
      clearTimeout(timer)
      fail('ended')
    })
  })
}

/** Cap'n Proto's texts are written as JSON's are. */
const text = (value: string): string => JSON.stringify(value)

function configuration(services: readonly Service[]): string {
  const workers = services.map((service) => `(name = ${text(service.name)}, worker = (${worker(service)}))`)
  const sockets = services.map(
    ({ name }) => `(name = ${text(name)}, address = "127.0.0.1:0", http = (), service = ${text(name)})`,
  )
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ${workers.join(',\n    ')},
    (name = "state", disk = (path = "state", writable = true)),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [${sockets.join(', ')}],
);
`
}

const propsOf = (props?: object): string =>
  props === undefined ? '' : `, props = (json = ${text(JSON.stringify(props))})`

function worker({ name, objectClass, texts = {}, objects = {}, entrypoints = {} }: Service): string {
  const bindings = [
    ...Object.entries(texts).map(([key, value]) => `(name = ${text(key)}, text = ${text(value)})`),
    ...Object.entries(objects).map(
      ([key, [className, service]]) =>
        `(name = ${text(key)}, durableObjectNamespace = (className = ${text(className)}, serviceName = ${text(service)}))`,
    ),
    ...Object.entries(entrypoints).map(
      ([key, [entrypoint, service, props]]) =>
        `(name = ${text(key)}, service = (name = ${text(service)}, entrypoint = ${text(entrypoint)}${propsOf(props)}))`,
    ),
  ]
  const namespaces =
    objectClass === undefined
      ? ''
      : `, durableObjectNamespaces = [(className = ${text(objectClass)}, uniqueKey = "keyring", enableSql = true)],
      durableObjectStorage = (localDisk = "state")`
  return `modules = [(name = "worker", esModule = embed "${name}.js")], compatibilityDate = ${text(COMPATIBILITY_DATE)},
      bindings = [${bindings.join(', ')}]${namespaces}`
}
