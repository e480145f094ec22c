/** The bundles, deployed as serverless.yml does it, on tables in memory. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bundle, FunctionName } from '../../../tools/build-lambda.ts'
import { FUNCTIONS, buildLambda } from '../../../tools/build-lambda.ts'
import type { Listening } from '../listen.ts'
import type { LambdaFunction } from './cloud.ts'
import { functionUrl, invokeApi, startFunction } from './cloud.ts'
import { awsEnvironment, createSecretsTable, createTable, startDynalite } from './table.ts'

const SYNC_FUNCTION = 'edge-keyring-test-sync'
export const ROTATE_FUNCTION = 'edge-keyring-test-rotate'
/** As in serverless.yml, in milliseconds. */
const TIMEOUT_MS: Readonly<Record<FunctionName, number>> = { http: 29_000, sync: 90_000, rotate: 90_000 }

type Settings = Readonly<Record<string, string>>

export interface LambdaDeployment {
  readonly endpoint: string
  readonly table: string
  readonly secretsTable: string
  /** Of the Invoke API. */
  readonly invokeUrl: string
  readonly sync: LambdaFunction
  /** Another instance of the HTTP function, with a URL of its own. */
  startHttp(more?: Settings): Promise<{ readonly url: string; readonly instance: LambdaFunction }>
  /** The function that rotates, by this name: it has the settings of the sync function, and more. */
  startRotate(more: Settings): Promise<LambdaFunction>
  output(): string
  stop(): Promise<void>
}

let built: Promise<Bundle[]> | null = null

/** Once for all deployments of a process. */
const bundles = (): Promise<Bundle[]> => (built ??= build())

function build(): Promise<Bundle[]> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-lambda-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return Promise.all(FUNCTIONS.map((name) => buildLambda(name, folder)))
}

/** @param settings of both functions; each gets those that it reads. @param given files by function; the built ones unless given. */
export async function deployLambda(
  settings: Settings,
  given: Readonly<Partial<Record<FunctionName, string>>> = {},
): Promise<LambdaDeployment> {
  const made = (await bundles()).map(({ file }) => file)
  const [http, sync, rotate] = FUNCTIONS.map((name, at) => given[name] ?? made[at])
  const server = await startDynalite()
  const table = await createTable(server.endpoint)
  const secretsTable = await createSecretsTable(server.endpoint)
  const tables = { KEYRING_TABLE: table, KEYRING_SECRETS_TABLE: secretsTable }
  const env = { ...awsEnvironment(server.endpoint), ...tables }
  const { KEYRING_API_TOKENS: tokens = '', ...asking } = settings
  const answering = Object.fromEntries(
    Object.entries(asking).filter(([name]) => !/^KEYRING_(?:VAULT_|ROTATION|STRATEGY$)/.test(name)),
  )
  const instances: LambdaFunction[] = []
  const open: Listening[] = []
  const start = async (file: string, name: FunctionName, own: Settings) => {
    const instance = await startFunction(file, { ...env, ...own }, TIMEOUT_MS[name])
    instances.push(instance)
    return instance
  }
  const syncing = await start(sync ?? '', 'sync', asking)
  const byName = new Map([[SYNC_FUNCTION, syncing]])
  const api = await invokeApi((name) => byName.get(name))
  open.push(api)
  const own = { KEYRING_API_TOKENS: tokens, KEYRING_SYNC_FUNCTION: SYNC_FUNCTION, AWS_ENDPOINT_URL_LAMBDA: api.url }
  return {
    endpoint: server.endpoint,
    table,
    secretsTable,
    invokeUrl: api.url,
    sync: syncing,
    async startHttp(more = {}) {
      const instance = await start(http ?? '', 'http', { ...answering, ...own, ...more })
      const listening = await functionUrl(instance)
      open.push(listening)
      return { url: listening.url, instance }
    },
    async startRotate(more) {
      const instance = await start(rotate ?? '', 'rotate', { ...asking, ...more })
      byName.set(ROTATE_FUNCTION, instance)
      return instance
    },
    output: () => instances.map((instance) => instance.output()).join(''),
    async stop() {
      for (const listening of open) await listening.close()
      for (const instance of instances) await instance.stop()
      await server.close()
    },
  }
}
