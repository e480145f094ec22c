/** This release and the one before rotation, deployed on one store: each instance, and each authority, of either. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createTestHarness } from 'wrangler'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { parseSigned, sealers } from '../../src/crypto/seal.ts'
import { buildLambda } from '../../tools/build-lambda.ts'
import { wrappingKey } from './authority.ts'
import { unpackBuild } from './builds.ts'
import type { LambdaFunction } from './lambda/cloud.ts'
import { functionUrl, invokeApi, startFunction } from './lambda/cloud.ts'
import { awsEnvironment, createTable, startDynalite, storeOn } from './lambda/table.ts'

const ROOT = join(import.meta.dirname, '../..')
export const RELEASE_TOKEN = 'ek_of_no_importance'
const TIMEOUT_MS = 90_000

type Release = 'old' | 'new'

export interface Answer {
  readonly status: number
  readonly warning: string | null
  readonly body: Readonly<Record<string, unknown>>
}

export interface Instance {
  readonly url: string
  /** POST with a body, else GET. */
  call(path: string, body?: object): Promise<Answer>
  /** The event of the minute's schedule. */
  schedule(): Promise<void>
}

export type Settings = Readonly<Record<string, string>>

export interface Platform {
  /** An instance that has just started, and the authority that it asks. Those that were started before may end. */
  at(instance: Release, authority: Release, more?: Settings): Promise<Instance>
  /** What all of it has printed. */
  output(): string
  /** The stored record, as whoever has the wrapping keys reads it. */
  record(keyring: string): Promise<Readonly<Record<string, unknown>>>
  close(): Promise<void>
}

const WRAPPING_KEYS = [wrappingKey('w1', 1), wrappingKey('w2', 2)]
export const [FIRST_KEY = '', SECOND_KEY = ''] = WRAPPING_KEYS.map(({ id, key }) => `${id}:${key.reveal()}`)

export const settingsOf = (address: string, token: string, mount: string, keyrings: readonly string[]): Settings => ({
  KEYRING_VAULT_HOST: address,
  KEYRING_VAULT_MOUNT: mount,
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_VAULT_TOKEN: token,
  KEYRINGS: JSON.stringify(keyrings.map((name) => ({ name, path: name }))),
  KEYRING_WRAPPING_KEYS: FIRST_KEY,
  KEYRING_API_TOKENS: JSON.stringify([
    { name: 'test', sha256: createHash('sha256').update(RELEASE_TOKEN).digest('hex'), grants: ['admin'] },
  ]),
})

async function recordIn(bytes: Uint8Array<ArrayBuffer>, keyring: string): Promise<Readonly<Record<string, unknown>>> {
  const signed = parseSigned(bytes)
  const set = await sealers(nodeCipher, nodeHash, WRAPPING_KEYS, keyring)
  const text = await set.byId(signed.wrappingKeyId).verify(signed)
  return JSON.parse(text ?? '{}') as Record<string, unknown>
}

interface Answering {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  text(): Promise<string>
}

async function answerOf(response: Answering): Promise<Answer> {
  const text = await response.text()
  return {
    status: response.status,
    warning: response.headers.get('keyring-warning'),
    body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>,
  }
}

const requestOf = (body?: object) => ({
  method: body === undefined ? 'GET' : 'POST',
  headers: { authorization: `Bearer ${RELEASE_TOKEN}`, 'content-type': 'application/json' },
  ...(body !== undefined && { body: JSON.stringify(body) }),
})

/** One table; a process for each function. */
export async function onLambda(old: string, settings: Settings): Promise<Platform> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-release-'))
  await Promise.all([buildLambda('http', folder), buildLambda('sync', folder)])
  const server = await startDynalite()
  const table = await createTable(server.endpoint)
  const { KEYRING_API_TOKENS: tokens = '', ...asking } = settings
  const env = { ...awsEnvironment(server.endpoint), KEYRING_TABLE: table }
  const open: (() => Promise<void>)[] = []
  const started: LambdaFunction[] = []
  const start = async (release: Release, name: 'http' | 'sync', own: Settings) => {
    const file = join(release === 'old' ? old : folder, `${name}.mjs`)
    const instance = await startFunction(file, { ...env, ...own }, TIMEOUT_MS)
    started.push(instance)
    return instance
  }
  return {
    async at(instance, authority, more = {}) {
      const syncing = await start(authority, 'sync', { ...asking, ...more })
      const api = await invokeApi(() => syncing)
      const answering = Object.fromEntries(
        Object.entries({ ...settings, ...more }).filter(([name]) => !/^KEYRING_(VAULT_|ROTATION)/.test(name)),
      )
      const own = { KEYRING_API_TOKENS: tokens, KEYRING_SYNC_FUNCTION: 'sync', AWS_ENDPOINT_URL_LAMBDA: api.url }
      const http = await functionUrl(await start(instance, 'http', { ...answering, ...own }))
      open.push(
        () => api.close(),
        () => http.close(),
      )
      return {
        url: http.url,
        call: async (path, body) => answerOf(await fetch(http.url + path, requestOf(body))),
        schedule: async () => {
          await syncing.invoke({ source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} })
        },
      }
    },
    output: () => started.map((instance) => instance.output()).join(''),
    async record(keyring) {
      const stored = await storeOn(server.endpoint, table).get(`keyring/${keyring}`)
      return recordIn(stored?.bytes ?? new Uint8Array(), keyring)
    },
    async close() {
      for (const end of open) await end()
      for (const instance of started) await instance.stop()
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

interface Env {
  readonly KEYRING_REPLICA: {
    get(name: string, type: 'arrayBuffer'): Promise<ArrayBuffer | null>
    delete(name: string): Promise<void>
  }
}

export interface Workers extends Platform {
  /** What is in Workers KV beside the record. */
  stamp(keyring: string): Promise<ArrayBuffer | null>
  forgetStamp(keyring: string): Promise<void>
  /** An instance that has just started, whose object ends every call. */
  alone(instance: Release): Promise<Instance>
}

/** An object that cannot be reached. */
const BROKEN = `import { DurableObject } from 'cloudflare:workers'
export class KeyringObject extends DurableObject { fetch() { this.ctx.abort('x') } call() { this.ctx.abort('x') } }
export default { fetch: () => new Response() }`

/** One Durable Object and one namespace, which outlive each deployment: `update` starts the Workers anew, and their isolates. */
export async function onWorkers(old: string, settings: Settings): Promise<Workers> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-release-'))
  const broken = join(folder, 'broken.js')
  writeFileSync(broken, BROKEN)
  const build = ['deploy', '--dry-run', '--env=', '--outdir', folder]
  await promisify(execFile)(join(ROOT, 'node_modules/.bin/wrangler'), build, { cwd: ROOT })
  const main = { old: join(old, 'worker.js'), new: join(folder, 'worker.js') }
  const worker = (name: string, file: string, vars: Settings, objectIn: string) => ({
    config: {
      name,
      main: file,
      no_bundle: true,
      compatibility_date: '2026-10-01',
      vars: { ...vars },
      kv_namespaces: [{ binding: 'KEYRING_REPLICA', id: 'replica' }],
      durable_objects: {
        bindings: [
          {
            name: 'KEYRING_OBJECT',
            class_name: 'KeyringObject',
            ...(objectIn !== name && { script_name: objectIn }),
          },
        ],
      },
      ...(objectIn === name && { migrations: [{ tag: 'v1', new_sqlite_classes: ['KeyringObject'] }] }),
    },
  })
  const workers = (instance: Release, authority: string, vars: Settings, objectIn = 'keyring') => [
    worker('instance', main[instance], vars, objectIn),
    worker('keyring', authority, vars, 'keyring'),
    worker('broken', broken, {}, 'broken'),
  ]
  const harness = createTestHarness({ workers: workers('old', main.old, settings) })
  const { url } = await harness.listen()
  const instance: Instance = {
    url: url.origin,
    call: async (path, body) => answerOf(await harness.getWorker('instance').fetch(path, requestOf(body))),
    schedule: async () => {
      await harness.getWorker('instance').scheduled({ cron: '* * * * *', scheduledTime: new Date() })
    },
  }
  const replica = async () => (await harness.getWorker<Env>('keyring').getEnv()).KEYRING_REPLICA
  return {
    async at(release, authority, more = {}) {
      await harness.update({ workers: workers(release, main[authority], { ...settings, ...more }) })
      return instance
    },
    output: () => JSON.stringify(harness.getLogs()),
    async alone(release) {
      await harness.update({ workers: workers(release, main[release], settings, 'broken') })
      return instance
    },
    async record(keyring) {
      const bytes = await (await replica()).get(`keyring/${keyring}`, 'arrayBuffer')
      return recordIn(new Uint8Array(bytes ?? new ArrayBuffer()), keyring)
    },
    stamp: async (keyring) => (await replica()).get(`stamp/${keyring}`, 'arrayBuffer'),
    forgetStamp: async (keyring) => (await replica()).delete(`stamp/${keyring}`),
    async close() {
      await harness.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export const unpackOld = (): string => unpackBuild('before-rotation')
