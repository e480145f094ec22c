/** `npm start`: the keyring on Node, with a dev Vault beside it when no Vault is configured. */
import { existsSync } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { serve } from '@hono/node-server'
import type { Config } from '../../src/config/config.ts'
import { withoutOthers } from '../../src/config/others.ts'
import type { Env } from '../../src/config/setting.ts'
import { isSet } from '../../src/config/setting.ts'
import type { ErrorData } from '../../src/core/errors.ts'
import { settle } from '../../src/core/errors.ts'
import { defectLine } from '../../src/core/lines.ts'
import { readSettings } from '../node-shared/settings.ts'
import type { Ending } from './ending.ts'
import { FINISH_MS, closing, endOnSignal, atMost } from './ending.ts'
import { openInstance } from './instance.ts'
import type { Instance } from './instance.ts'
import { LOCAL_FOLDER, isLocal, made, prepare, withPath } from './local.ts'
import type { Setup } from './local.ts'
import type { Hold, RunningServer } from './running.ts'
import { holdFolder } from './running.ts'
import type { Report } from './screen.ts'
import { asJson, onScreen } from './screen.ts'
import { StartFailure, listenFailure, refusedSettings, startFailureOf } from './start-failure.ts'

const SEED_ID = '8zgITLQh'
/**
 * How long a connection waits for a request, or for the rest of one, in milliseconds. Load balancers keep theirs for 60 s: the side that
 * ends one first must be theirs, or a request that is on its way gets no answer.
 */
const REQUEST_MS = 75_000
const CONNECTIONS = {
  keepAliveTimeout: REQUEST_MS,
  headersTimeout: REQUEST_MS,
  requestTimeout: REQUEST_MS,
  connectionsCheckingInterval: 5000,
}

/** Ends the process when it fails, now or later: with a code, a sentence and a remedy, and never with a stack. */
export async function start(flags: () => { readonly fresh: boolean }): Promise<void> {
  const report = isLocal(process.env) ? onScreen : asJson
  const end = (error: unknown): never => {
    report.failed(startFailureOf(error))
    process.exit(1)
  }
  process.on('uncaughtException', end)
  // A reader that has gone, as behind `| head`, is no reason to stop: the keyring serves all the same.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  try {
    await begin(flags().fresh, report, endOnSignal())
  } catch (error) {
    end(error)
  }
}

/** A deployment keeps nothing in the local folder, so it does not hold it either (docs/decisions/0010). */
async function begin(fresh: boolean, report: Report, ending: Ending): Promise<void> {
  const hold = isLocal(process.env) ? holdFolder() : null
  if (fresh) forget(hold, process.env)
  const setup = await prepare(process.env, made)
  const parsed = readSettings(setup.env, 'node', withoutOthers)
  if (!parsed.ok) throw hold?.trouble && isMissed(setup) ? hold.trouble : refusedSettings(parsed.problems)
  report.begun()
  for (const notice of parsed.notices) console.error(`note: ${notice}`)
  if (parsed.config === null) return
  if (hold?.trouble) report.trouble(hold.trouble)
  await serveKeyring(parsed.config, setup, hold, report, ending)
}

/** @throws where the folder's wrapping key is all that opens a database elsewhere. */
function forget(hold: Hold | null, env: Env): void {
  const database = env['KEYRING_DATABASE'] ?? ''
  if (database === '' || isSet(env, 'KEYRING_WRAPPING_KEYS') || !existsSync(database)) return hold?.clear()
  const message = `--fresh would forget the wrapping key, without which ${database} cannot be opened.`
  const remedy = 'Move that file away or start without KEYRING_DATABASE; or start without --fresh.'
  throw new StartFailure('ERR_USAGE', message, { remedy })
}

/** Whether the database is to lie in the folder, and the folder is not there. */
const isMissed = ({ env }: Setup): boolean =>
  env['KEYRING_DATABASE']?.startsWith(LOCAL_FOLDER) === true && !existsSync(LOCAL_FOLDER)

async function serveKeyring(
  config: Config,
  setup: Setup,
  hold: Hold | null,
  report: Report,
  ending: Ending,
): Promise<void> {
  const { isLocal, tokenIn: token } = setup
  const database = config.node.database ?? ''
  const closeVault = await startDevVault(setup, report)
  const auditFile = hold === null || hold.trouble !== null ? null : `${LOCAL_FOLDER}/audit.log`
  const instance = openInstance(config, { database, auditFile })
  const troubles = await instance.troubles()
  if (troubles.length > 0) return refuseRecords(troubles, report)
  const { server, address } = await listen(instance, config)
  const closeServer = closing(server)
  const url = urlOf(address)
  announce(hold, { url, pid: process.pid, store: database, token }, report)
  const syncs = syncEach(config, instance, report, ending).catch((error: unknown) =>
    console.error(defectLine(error, 'start')),
  )
  ending.does(async () => {
    announce(hold, null, report)
    await atMost(FINISH_MS, Promise.all([closeServer(), instance.rest(), syncs]))
    server.closeAllConnections()
    await instance.close()
    await closeVault()
    hold?.release()
  })
  await syncs
  if (ending.hasBegun()) return
  report.listening(isLocal ? url : `${config.node.host}:${address.port}`, address.port, setup, SEED_ID)
}

/** A failure here costs no more than that the command line does not find the server, so that everything else goes on. */
function announce(hold: Hold | null, server: RunningServer | null, report: Report): void {
  try {
    hold?.announce(server)
  } catch (error) {
    report.trouble(startFailureOf(error))
  }
}

const urlOf = ({ address, family, port }: AddressInfo): string =>
  `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`

async function startDevVault({ devVaultPort: port }: Setup, report: Report): Promise<() => Promise<void>> {
  if (port === null) return async () => {}
  const { startDevVault: startVault } = await import('../dev-vault/server.ts')
  const { toBase64 } = await import('../../src/core/bytes.ts')
  const key = toBase64(crypto.getRandomValues(new Uint8Array(32)))
  const dataFile = `${LOCAL_FOLDER}/dev-vault.json`
  const vault = await startVault({
    port,
    dataFile,
    seed: { mount: 'secret', path: 'keyring', data: { id: SEED_ID, key } },
  }).catch((error: unknown) => {
    if (!isOfListening(error)) throw withPath(error, dataFile)
    const taken = `If that is your Vault: KEYRING_VAULT_HOST=http://127.0.0.1:${port} KEYRING_VAULT_TOKEN=… npm start; otherwise KEYRING_DEV_VAULT_PORT=${besides(port, 1)} npm start`
    throw listenFailure(error, port, taken)
  })
  report.devVault(vault.address)
  return () => vault.close()
}

/** The keyrings are synced one after the other, as the schedule does; they are served already, so that a slow Vault holds nobody up. */
async function syncEach({ vault }: Config, instance: Instance, report: Report, ending: Ending): Promise<void> {
  for (const { keyring: name, mount, path } of vault?.secrets ?? []) {
    if (ending.hasBegun()) return
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
  readonly server: Server
  readonly address: AddressInfo
}

function listen(instance: Instance, { node }: Config): Promise<Listening> {
  return new Promise<Listening>((resolve, reject) => {
    const { port, host: hostname } = node
    const server = serve({ fetch: instance.app.fetch, hostname, port, serverOptions: CONNECTIONS }, (address) =>
      resolve({ server: server as Server, address }),
    )
    server.once('error', reject)
  }).catch((error: unknown) => {
    throw listenFailure(error, node.port, `Use another: PORT=${besides(node.port, 100)} npm start`)
  })
}

const isOfListening = (error: unknown): boolean =>
  ['listen', 'getaddrinfo'].includes(String((error as { syscall?: unknown }).syscall))

const besides = (port: number, distance: number): number =>
  port + distance > 65_535 ? port - distance : port + distance

/** A record that cannot be opened ends the start, because nothing of its keyring could be used and only its callers would hear of it. */
function refuseRecords(troubles: readonly ErrorData[], report: Report): never {
  for (const trouble of troubles) report.failed(new StartFailure(trouble.code, trouble.message, trouble))
  process.exit(1)
}

if (import.meta.main) await start(() => parseArgs({ options: { fresh: { type: 'boolean', default: false } } }).values)
