/** Syncs by the sync function as it is deployed: its built bundle in a process for each set of settings, on a table in memory. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import type { ErrorData, Result } from '../../../src/core/errors.ts'
import type { SyncReport } from '../../../src/core/operations.ts'
import { buildLambda } from '../../../tools/build-lambda.ts'
import type { Syncing } from '../syncing.ts'
import { OF_SYNCING } from '../syncing.ts'
import { startFunction } from './cloud.ts'
import type { DynamoServer } from './table.ts'
import { awsEnvironment, createTable, startDynalite } from './table.ts'

const TIMEOUT_MS = 90_000
const SYNC = { call: 'sync', keyring: 'default', options: { force: false, adopt: false, token: null } }

export interface LambdaSyncing {
  readonly open: (settings: Readonly<Record<string, string>>) => Promise<SyncingFunction>
  close(): Promise<void>
}

export interface SyncingFunction extends Pick<Syncing, 'close'> {
  sync(): Promise<Pick<SyncReport, 'requests'>>
  refusal(): Promise<ErrorData>
  /** What the function printed. */
  output(): string
}

export async function lambdaSyncing(): Promise<LambdaSyncing> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-syncing-'))
  const [{ file }, server] = await Promise.all([buildLambda('sync', folder), startDynalite()])
  return {
    open: (settings) => open(file, server, settings),
    async close() {
      await server.close()
      rmSync(folder, { recursive: true })
    },
  }
}

async function open(file: string, { endpoint }: DynamoServer, settings: Readonly<Record<string, string>>) {
  const env = { ...awsEnvironment(endpoint), KEYRING_TABLE: await createTable(endpoint), ...OF_SYNCING, ...settings }
  const instance = await startFunction(file, env, TIMEOUT_MS)
  const ask = async () => (await instance.invoke({ ...SYNC, withinMs: TIMEOUT_MS })).body as Result<SyncReport>
  return {
    async sync() {
      const result = await ask()
      if (result.ok) return result.value
      throw new Error(inspect(result.error))
    },
    async refusal() {
      const result = await ask()
      if (!result.ok) return result.error
      throw new Error('The sync should have failed.')
    },
    output: () => instance.output(),
    close: () => instance.stop(),
  }
}
