/** `npm start`: the keyring on Node, with a dev Vault beside it when no Vault is configured. */
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { serve } from '@hono/node-server'
import type { ServerType } from '@hono/node-server'
import type { Config } from '../../src/config/config.ts'
import { problemLines } from '../../src/config/outcome.ts'
import type { Problem } from '../../src/config/setting.ts'
import type { ErrorData } from '../../src/core/errors.ts'
import { settle } from '../../src/core/errors.ts'
import { readSettings } from '../node-shared/settings.ts'
import { openInstance } from './instance.ts'
import type { Instance } from './instance.ts'
import { LOCAL_FOLDER, isLocal, made, prepare } from './local.ts'
import type { Setup } from './local.ts'
import type { Hold } from './running.ts'
import { announced, holdFolder } from './running.ts'
import type { Report } from './screen.ts'
import { alreadyRunning, asJson, onScreen } from './screen.ts'

const SEED_ID = '8zgITLQh'

/** A deployment keeps nothing in the local folder, so it does not hold it either (docs/decisions/0010). */
export async function start(options: { fresh: boolean }): Promise<void> {
  const hold = isLocal(process.env) ? (holdFolder() ?? refuseSecond()) : null
  if (options.fresh) hold?.clear()
  const setup = await prepare(process.env, made)
  const parsed = readSettings(setup.env, 'node')
  if (!parsed.ok) return refuse(parsed.problems)
  const report = setup.isLocal ? onScreen(setup) : asJson
  report.begun()
  for (const notice of parsed.notices) console.error(`note: ${notice}`)
  if (parsed.config === null) return
  await serveKeyring(parsed.config, setup, hold, report)
}

async function serveKeyring(config: Config, setup: Setup, hold: Hold | null, report: Report): Promise<void> {
  const { database, isLocal, tokenIn: token } = setup
  if (database === null)
    return refuse([{ name: 'KEYRING_DATABASE', message: 'is required: the path of the SQLite file.' }])
  const closeVault = await startDevVault(setup, report)
  const instance = openInstance(config, { database, auditFile: isLocal ? `${LOCAL_FOLDER}/audit.log` : null })
  const troubles = await instance.troubles()
  if (troubles.length > 0) return refuseRecords(troubles)
  const { server, address } = await listen(instance, config)
  const url = urlOf(address)
  hold?.announce({ url, pid: process.pid, store: database, token })
  stopOnSignal(async () => {
    hold?.announce(null)
    server.close()
    await instance.close()
    await closeVault()
    hold?.release()
  })
  await syncEach(config, instance, report)
  report.listening(isLocal ? url : `${config.node.host}:${address.port}`, address.port, SEED_ID)
}

const urlOf = ({ address, family, port }: AddressInfo): string =>
  `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`

async function startDevVault({ devVaultPort: port }: Setup, report: Report): Promise<() => Promise<void>> {
  if (port === null) return async () => {}
  const { startDevVault: startVault } = await import('../dev-vault/server.ts')
  const { toBase64 } = await import('../../src/core/bytes.ts')
  const key = toBase64(crypto.getRandomValues(new Uint8Array(32)))
  const vault = await startVault({
    port,
    dataFile: `${LOCAL_FOLDER}/dev-vault.json`,
    seed: { mount: 'secret', path: 'keyring', data: { id: SEED_ID, key } },
  }).catch((error: unknown) =>
    portTaken(
      error,
      port,
      `If that is your Vault: KEYRING_VAULT_HOST=http://127.0.0.1:${port} KEYRING_VAULT_TOKEN=… npm start; otherwise KEYRING_DEV_VAULT_PORT=${port + 1} npm start`,
    ),
  )
  report.devVault(vault.address)
  return () => vault.close()
}

/** One keyring after the other, as the schedule does; they are served already, so that a slow Vault holds nobody up. */
async function syncEach({ vault }: Config, instance: Instance, report: Report): Promise<void> {
  for (const { keyring: name, mount, path } of vault?.secrets ?? []) {
    const began = performance.now()
    const result = await settle(async () =>
      (await instance.keyring(name)).sync({ force: false, adopt: false, token: null }),
    )
    const ms = Math.round(performance.now() - began)
    const record = await settle(async () => (await instance.keyring(name)).record())
    const { keys, active } = (record.ok ? record.value : null) ?? { keys: [], active: null }
    report.synced({ keyring: name, source: `${mount}/${path}`, result, active, keys: keys.length, ms })
  }
}

interface Listening {
  readonly server: ServerType
  readonly address: AddressInfo
}

function listen(instance: Instance, { node }: Config): Promise<Listening> {
  return new Promise<Listening>((resolve, reject) => {
    const server = serve({ fetch: instance.app.fetch, hostname: node.host, port: node.port }, (address) =>
      resolve({ server, address }),
    )
    server.once('error', reject)
  }).catch((error: unknown) => portTaken(error, node.port, `Use another: PORT=${node.port + 100} npm start`))
}

function portTaken(error: unknown, port: number, remedy: string): never {
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    console.error(`Port ${port} is taken. ${remedy}`)
    process.exit(1)
  }
  throw error
}

function stopOnSignal(close: () => Promise<void>): void {
  const stop = () => void close().then(() => process.exit(0))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
}

function refuseSecond(): never {
  console.error(alreadyRunning(announced()))
  process.exit(1)
}

/** Nothing of such a keyring could be used, and nobody would hear of it but its callers. */
function refuseRecords(troubles: readonly ErrorData[]): never {
  for (const { code, message, remedy } of troubles) console.error(`${code}: ${message}\n${remedy}`)
  process.exit(1)
}

function refuse(problems: readonly Problem[]): never {
  console.error('edge-keyring cannot start; these settings are missing or wrong (docs/settings.md):')
  for (const line of problemLines(problems)) console.error(line)
  process.exit(1)
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { fresh: { type: 'boolean', default: false } } })
  await start(values)
}
