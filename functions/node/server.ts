/** `npm start`: the keyring on Node, with a dev Vault beside it when no Vault is configured. */
import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import type { Config } from '../../src/config/config.ts'
import type { Env } from '../../src/config/setting.ts'
import { isSet } from '../../src/config/setting.ts'
import type { VaultsConfig } from '../../src/config/with-vaults.ts'
import type { ErrorData } from '../../src/core/errors.ts'
import { settle } from '../../src/core/errors.ts'
import { clearTextLine, defectLine } from '../../src/core/lines.ts'
import { isLoopback } from '../../src/core/loopback.ts'
import type { Renew } from '../../src/keyring/renewed-authority.ts'
import { loadWay } from '../node-shared/vault-fetch.ts'
import type { Ending } from './ending.ts'
import { FINISH_MS, endOnSignal, atMost } from './ending.ts'
import { serveHttp } from './http.ts'
import { openInstance } from './instance.ts'
import type { Instance } from './instance.ts'
import { LOCAL_FOLDER, isLocal, liveSettings, made, madeUp, prepare, withPath } from './local.ts'
import type { Keep, Setup } from './local.ts'
import type { Hold, RunningServer } from './running.ts'
import { holdFolder } from './running.ts'
import type { Report } from './screen.ts'
import { asJson, onScreen } from './screen.ts'
import { StartFailure, listenFailure, refusedSettings, startFailureOf, tryPort } from './start-failure.ts'

const V8_FLAGS = [
  // For another thread to give back what ciphers have held costs a short value more than all of its AES.
  '--no-concurrent-array-buffer-sweeping',
  // undici's parser is WebAssembly: to compile it once more, for speed, would hold 13 MB for a few answers of Vault's.
  '--no-wasm-tier-up',
  '--no-wasm-dynamic-tiering',
]

const SEED_ID = '8zgITLQh'

export interface StartFlags {
  readonly fresh: boolean
  /** Kong's own files, '' = none. */
  readonly conf: string
  readonly deck: string
}

/** Ends the process when it fails, now or later: with a code, a sentence and a remedy, and never with a stack. */
export async function start(flags: () => StartFlags): Promise<void> {
  const report = isLocal(process.env) ? onScreen() : asJson
  const end = (error: unknown): never => {
    report.failed(startFailureOf(error))
    process.exit(1)
  }
  process.on('uncaughtException', end)
  // A reader that has gone, as behind `| head`, is no reason to stop: the keyring serves all the same.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  try {
    await begin(flags(), report, endOnSignal())
  } catch (error) {
    end(error)
  }
}

/** A deployment keeps nothing in the local folder, so it does not hold it either (docs/decisions/0010). */
async function begin({ fresh, ...files }: StartFlags, report: Report, ending: Ending): Promise<void> {
  const { env, notices } = await withFiles(process.env, files)
  const hold = isLocal(process.env) ? holdFolder() : null
  if (fresh) {
    const { setup, parsed } = await settings(env, hold, madeUp)
    await tryPorts(setup, parsed.config)
    forget(hold, env)
  }
  const { setup, parsed, renew } = await settings(env, hold, made)
  report.begun(setup)
  for (const notice of [...notices, ...parsed.notices]) report.notice(notice)
  if (parsed.config === null) return
  if (hold?.trouble) report.trouble(hold.trouble)
  await serveKeyring({ config: parsed.config, renew }, setup, hold, report, ending)
}

/** What Kong's files say beside the environment. @throws when they are wrong. */
async function withFiles(env: Env, { conf, deck }: Omit<StartFlags, 'fresh'>) {
  if (conf + deck === '') return { env, notices: [] }
  const { kongFiles } = await import('../node-shared/kong-files.ts')
  const added = (await kongFiles(conf || null, deck || null, env))(env)
  if (added.problems.length > 0) throw refusedSettings(added.problems)
  return added
}

/** @throws when they are wrong. */
async function settings(env: Env, hold: Hold | null, keep: Keep) {
  const setup = await prepare(env, keep)
  const { parsed, renew } = await liveSettings(setup.env)
  if (!parsed.ok) throw hold?.trouble && isMissed(setup) ? hold.trouble : refusedSettings(parsed.problems)
  return { setup, parsed, renew }
}

/** @throws a StartFailure for what would end this start once everything is forgotten. */
async function tryPorts({ devVaultPort }: Setup, config: Config | null): Promise<void> {
  if (config === null) return
  if (devVaultPort !== null) await tryPort(devVaultPort, '127.0.0.1').catch(vaultCannotListen(devVaultPort))
  await tryPort(config.node.port, config.node.host).catch(cannotListen(config.node.port))
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
  { config, renew }: { readonly config: VaultsConfig; readonly renew: Renew<VaultsConfig> | null },
  setup: Setup,
  hold: Hold | null,
  report: Report,
  ending: Ending,
): Promise<void> {
  for (const flag of V8_FLAGS) setFlagsFromString(flag)
  const { isLocal, tokenIn: token } = setup
  const database = config.node.database ?? ''
  const closeVault = await startDevVault(setup, report)
  const auditFile = hold === null || hold.trouble !== null ? null : `${LOCAL_FOLDER}/audit.log`
  const instance = openInstance(config, { database, auditFile, renew })
  const troubles = await instance.troubles()
  if (troubles.length > 0) return refuseRecords(troubles, report)
  const { server, close, address } = await listen(instance, config)
  if (!isLoopback(address.address)) console.error(clearTextLine(urlOf(address)))
  const url = urlOf(address)
  announce(hold, { url, pid: process.pid, store: database, token }, report)
  const syncs = syncEach(config, instance, report, ending).catch((error: unknown) =>
    console.error(defectLine(error, 'start')),
  )
  ending.does(async () => {
    announce(hold, null, report)
    await atMost(FINISH_MS, Promise.all([close(), instance.rest(), syncs]))
    server.closeAllConnections()
    await instance.close()
    await closeVault()
    hold?.release()
  })
  await syncs
  if (ending.hasBegun()) return
  report.listening(isLocal ? url : `${inUrl(config.node.host)}:${address.port}`, setup)
}

/** A failure here costs no more than that the command line does not find the server, so that everything else goes on. */
function announce(hold: Hold | null, server: RunningServer | null, report: Report): void {
  try {
    hold?.announce(server)
  } catch (error) {
    report.trouble(startFailureOf(error))
  }
}

const urlOf = ({ address, port }: AddressInfo): string => `http://${inUrl(address)}:${port}`

/** An IPv6 address has brackets where a port follows it. */
const inUrl = (host: string): string => (host.includes(':') ? `[${host}]` : host)

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
    return vaultCannotListen(port)(error)
  })
  report.devVault(vault.address)
  return () => vault.close()
}

/** The keyrings are synced one after the other, as the schedule does; they are served already, so that a slow Vault holds nobody up. */
async function syncEach(
  { vault, vaults = [] }: VaultsConfig,
  instance: Instance,
  report: Report,
  ending: Ending,
): Promise<void> {
  if (vault !== null) await loadWay()
  for (const { keyring: name, mount, path } of vault?.secrets ?? []) {
    if (ending.hasBegun()) return
    const began = performance.now()
    const result = await settle(async () =>
      (await instance.keyring(name)).sync({ force: false, adopt: false, token: null }),
    )
    const ms = Math.round(performance.now() - began)
    const record = await settle(async () => (await instance.keyring(name)).record())
    const { keys, active } = (record.ok ? record.value : null) ?? { keys: [], active: null }
    report.synced({ keyring: name, source: `${mount}/${path}`, result, active, ids: keys.map(({ id }) => id), ms })
  }
  // What KEYRING_REFERENCES lists is there before somebody asks.
  if (!ending.hasBegun() && vaults.some(({ listed }) => listed.length > 0)) await instance.look()
}

interface Listening extends ReturnType<typeof serveHttp> {
  readonly address: AddressInfo
}

function listen(instance: Instance, { node }: Config): Promise<Listening> {
  return new Promise<Listening>((resolve, reject) => {
    const { port, host: hostname } = node
    const served = serveHttp(instance.app, { hostname, port }, (address) => resolve({ ...served, address }))
    served.server.once('error', reject)
  }).catch(cannotListen(node.port))
}

const cannotListen =
  (port: number) =>
  (error: unknown): never => {
    throw listenFailure(error, port, `Use another: PORT=${besides(port, 100)} npm start`)
  }

const vaultCannotListen =
  (port: number) =>
  (error: unknown): never => {
    const taken = `If that is your Vault: KEYRING_VAULT_HOST=http://127.0.0.1:${port} KEYRING_VAULT_TOKEN=… npm start; otherwise KEYRING_DEV_VAULT_PORT=${besides(port, 1)} npm start`
    throw listenFailure(error, port, taken)
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

const FILE = { type: 'string', default: '' } as const
if (import.meta.main)
  await start(
    () => parseArgs({ options: { fresh: { type: 'boolean', default: false }, conf: FILE, deck: FILE } }).values,
  )
