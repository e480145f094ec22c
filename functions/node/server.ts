/** `npm start`: the keyring on Node, with a dev Vault beside it when no Vault is configured. */
import { parseArgs } from 'node:util'
import { serve } from '@hono/node-server'
import type { ServerType } from '@hono/node-server'
import type { Config } from '../../src/config/config.ts'
import { settle } from '../../src/core/errors.ts'
import { defectLine } from '../../src/core/lines.ts'
import { readSettings } from '../node-shared/settings.ts'
import { openInstance } from './instance.ts'
import type { Instance } from './instance.ts'
import { LOCAL_FOLDER, prepare } from './local.ts'
import type { Setup } from './local.ts'
import { VERSION, header, line, lines, trouble } from './screen.ts'

const SEED_ID = '8zgITLQh'

export async function start(options: { fresh: boolean }): Promise<void> {
  const setup = await prepare(process.env, options)
  const parsed = readSettings(setup.env, 'node')
  if (!parsed.ok) return refuse(parsed.problems.map(({ name, message }) => `${name}: ${message}`))
  const say = setup.isLocal ? (text: string) => console.log(text) : () => {}
  say(header())
  for (const notice of parsed.notices) console.error(`note: ${notice}`)
  if (parsed.config === null) return
  const closeVault = await startDevVault(setup, say)
  await serveKeyring(parsed.config, setup, say, closeVault)
}

async function serveKeyring(
  config: Config,
  setup: Setup,
  say: (text: string) => void,
  closeVault: () => Promise<void>,
): Promise<void> {
  if (setup.database === null) return refuse(['KEYRING_DATABASE: is required: the path of the SQLite file.'])
  const instance = openInstance(config, {
    database: setup.database,
    auditFile: setup.isLocal ? `${LOCAL_FOLDER}/audit.log` : null,
  })
  const { server, port } = await listen(instance, config)
  stopOnSignal(server, instance, closeVault)
  await firstSync(config, instance, say).catch((error: unknown) => console.error(defectLine(error, 'start')))
  if (!setup.isLocal)
    return console.error(
      JSON.stringify({
        time: new Date().toISOString(),
        level: 'info',
        listening: `${config.node.host}:${port}`,
        version: VERSION,
      }),
    )
  say(line('ok', 'listening', `http://${config.node.host}:${port}   admin token in ${setup.tokenIn ?? 'the settings'}`))
  say(lines(setup, port, SEED_ID))
}

async function startDevVault({ devVaultPort: port }: Setup, say: (text: string) => void): Promise<() => Promise<void>> {
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
  say(line('ok', 'dev Vault', `${vault.address}   a stand-in: never for real data`))
  return () => vault.close()
}

/** Serves first, so that a slow Vault holds nobody up. */
async function firstSync({ vault }: Config, instance: Instance, say: (text: string) => void): Promise<void> {
  const keyring = await instance.keyring('default')
  const [secret] = vault?.secrets ?? []
  const began = performance.now()
  const synced = await settle(() => keyring.sync({ force: false, adopt: false, token: null }))
  const took = Math.round(performance.now() - began)
  const record = await settle(() => keyring.record())
  const keys = record.ok ? (record.value?.keys ?? []) : []
  if (synced.ok)
    say(
      line(
        'ok',
        'sync',
        `${secret?.mount}/${secret?.path}: ${count(keys.length, 'key')}, ${count(synced.value.requests, 'request')} to Vault, ${took} ms`,
      ),
    )
  else if (say.length > 0) say(trouble('sync', synced.error))
  say(activeLine(keys, record.ok ? record.value?.active : null))
}

function activeLine(keys: readonly { readonly id: string }[], active: string | null | undefined): string {
  const ids = keys.map(({ id }) => (id === active ? `${id} (active)` : id))
  return line(active ? 'ok' : 'no', 'keyring', `default: ${ids.join(', ') || 'empty'}`)
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`

function listen(instance: Instance, { node }: Config): Promise<{ server: ServerType; port: number }> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: instance.app.fetch, hostname: node.host, port: node.port }, ({ port }) =>
      resolve({ server, port }),
    )
    server.once('error', reject)
  }).catch((error: unknown) =>
    portTaken(error, node.port, `Use another: PORT=${node.port + 100} npm start`),
  ) as Promise<{ server: ServerType; port: number }>
}

function portTaken(error: unknown, port: number, remedy: string): never {
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    console.error(`Port ${port} is taken. ${remedy}`)
    process.exit(1)
  }
  throw error
}

function stopOnSignal(server: ServerType, instance: Instance, closeVault: () => Promise<void>): void {
  const stop = async () => {
    server.close()
    await instance.close()
    await closeVault()
    process.exit(0)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop())
}

function refuse(problems: readonly string[]): never {
  console.error('edge-keyring cannot start; these settings are missing or wrong (docs/settings.md):')
  for (const problem of problems) console.error(`  ${problem}`)
  process.exit(1)
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { fresh: { type: 'boolean', default: false } } })
  await start(values)
}
