/** What a start tells: one report, as the first screen for people or as lines of JSON for a log. */
import type { Result } from '../../src/core/errors.ts'
import type { SyncReport } from '../../src/core/operations.ts'
import { problemLines } from '../../src/config/outcome.ts'
import { isSet } from '../../src/config/setting.ts'
import { settingLine } from '../../src/core/lines.ts'
import type { Setup } from './local.ts'
import { LOCAL_FOLDER } from './local.ts'
import type { StartFailure } from './start-failure.ts'

export const VERSION = '0.1.0'

interface FirstSync {
  readonly keyring: string
  /** `<mount>/<path>`. */
  readonly source: string
  readonly result: Result<SyncReport>
  /** Of the record that there is now: a sync that failed leaves the one before it. */
  readonly active: string | null
  readonly ids: readonly string[]
  readonly ms: number
}

export interface Report {
  begun(setup: Setup): void
  /** What is not used, or weaker than it should be. */
  notice(text: string): void
  /** What fails while the rest goes on. */
  trouble(failure: StartFailure): void
  devVault(address: string): void
  synced(first: FirstSync): void
  /** It comes after the first syncs. */
  listening(address: string, setup: Setup): void
  /** The process ends. */
  failed(failure: StartFailure): void
}

/** The examples are about what the first sync has left, so that the screen remembers it. */
export function onScreen(): Report {
  let ofDefault: FirstSync | null = null
  return {
    begun({ env, devVaultPort }) {
      console.log(`edge-keyring ${VERSION}   local default; ${keptIn(env['KEYRING_DATABASE'] ?? '')}`)
      const named = REAL_VAULT.find((name) => isSet(env, name))
      if (devVaultPort !== null && named !== undefined) console.log(notUsed(named))
    },
    notice: (text) => console.error(`note: ${text}`),
    trouble: ({ code, message, remedy }) => console.log(noLine('folder', `${code}: ${message}`, remedy)),
    devVault: (address) => console.log(line('ok', 'dev Vault', `${address}   a stand-in: never for real data`)),
    synced(first) {
      if (first.keyring === 'default') ofDefault = first
      console.log(syncLine(first))
    },
    listening(address, setup) {
      console.log(line('ok', 'listening', `${address}   admin token in ${setup.tokenIn ?? 'the settings'}`))
      console.log(linesToTry(address, setup, ofDefault))
    },
    failed({ code, message, problems, remedy }) {
      for (const text of [`${code}: ${message}`, ...problemLines(problems), remedy]) console.error(text)
    },
  }
}

export const asJson: Report = {
  begun: () => {},
  notice: (message) => log('warn', { start: 'settings', message }),
  trouble: ({ code, message, remedy }) => log('warn', { start: 'folder', code, message, remedy }),
  devVault: () => {},
  synced({ result, ids, ...rest }) {
    const first = { ...rest, keys: ids.length }
    if (result.ok) {
      const { changed, requests, remaining } = result.value
      log('info', { start: 'sync', ...first, outcome: 'synced', code: null, changed, requests, remaining })
    } else log('warn', { start: 'sync', ...first, outcome: 'failed', code: result.error.code })
  },
  listening: (address) => log('info', { listening: address, version: VERSION }),
  failed({ code, message, problems, remedy }) {
    for (const { name, message: rule } of problems) console.error(settingLine(name, rule))
    log('error', { process: 'ended', code, message, remedy })
  },
}

const log = (level: 'info' | 'warn' | 'error', facts: object): void =>
  console.error(JSON.stringify({ time: new Date().toISOString(), level, ...facts }))

const line = (mark: 'ok' | 'no', what: string, detail: string): string => `  ${mark}  ${what.padEnd(10)}  ${detail}`

const noLine = (what: string, detail: string, remedy: string): string =>
  `${line('no', what, detail)}\n${' '.repeat(18)}${remedy}`

function syncLine({ keyring, source, result, active, ids, ms }: FirstSync): string {
  const held = `${keyring}: ${active === null ? 'no active key' : `${active} (active)`}`
  if (!result.ok) {
    const { code, message, remedy } = result.error
    return noLine('keyring', `${held}; ${code}: ${message}`, remedy)
  }
  const { requests, remaining } = result.value
  const left = remaining === 0 ? '' : `, ${count(remaining, 'version')} still to read`
  const what = `${source}: ${count(ids.length, 'key')}, ${count(requests, 'request')} to Vault, ${ms} ms${left}`
  return line(active === null ? 'no' : 'ok', 'keyring', `${held}; ${what}`)
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`

/** They say where the Vault of this shell is; the local default goes by settings of ours alone. */
const REAL_VAULT = ['BAO_ADDR', 'VAULT_ADDR']

const notUsed = (name: string): string =>
  `note: ${name} is not used, a dev Vault is. For yours: KEYRING_VAULT_HOST="$${name}" npm start, with ${name.replace('ADDR', 'TOKEN')} in the environment.`

const keptIn = (database: string): string =>
  database.startsWith(LOCAL_FOLDER)
    ? `all it keeps is in ${LOCAL_FOLDER}/`
    : `it keeps ${database} and ${LOCAL_FOLDER}/`

function linesToTry(address: string, { tokenIn, devVaultPort }: Setup, first: FirstSync | null): string {
  const url = address.replace('http://127.0.0.1:', 'localhost:')
  const [sync, list] = [`curl -i -X POST ${url}/keyring/vault/sync -H "$H"`, `curl ${url}/keyring/ -H "$H"`]
  return [
    'In a second terminal, in this folder:',
    `  H="Kong-Admin-Token: ${tokenIn === null ? '<an API token>' : `$(cat ${tokenIn})`}"`,
    `  ${sync}     # ${first?.result.ok === false ? `${first.result.error.code}, until that is mended` : '204'}`,
    `  ${list.padEnd(sync.length)}     # ${listed(first)}`,
    ...(devVaultPort === null ? [] : devVaultLines(url, devVaultPort)),
  ].join('\n')
}

/** Ids that an example shows, at most. */
const FEW = 3

/** What `GET /keyring/` answers, shortened where there are many. */
function listed(first: FirstSync | null): string {
  const { ids, active } = first ?? { ids: [], active: null }
  const shown = ids.slice(0, FEW).map((id) => `"${id}"`)
  const all = [...shown, ...(ids.length > FEW ? ['…'] : [])].join(',')
  return `{"ids":[${all}]${active === null ? '' : `,"active":"${active}"`}}`
}

function devVaultLines(url: string, port: number): string[] {
  const vault = `localhost:${port}/v1`
  return [
    'Rotate: write a new version, then the two lines again',
    `  curl ${vault}/secret/data/keyring -H "X-Vault-Token: root" -d '{"data":{"id":"'$(openssl rand -hex 4)'","key":"'$(openssl rand -base64 32)'"}}'`,
    'Pull the plug: seal Vault, encrypt all the same, unseal it',
    `  curl -X PUT ${vault}/sys/seal -H "X-Vault-Token: root"`,
    `  curl ${url}/keyrings/default/encrypt -H "$H" -H 'Content-Type: application/json' -d '{"plaintext":"hello"}'`,
    `  curl -X PUT ${vault}/sys/unseal -d '{"key":"dev-unseal-key"}'`,
    'Your own Vault: KONG_KEYRING_VAULT_HOST=https://… KONG_KEYRING_VAULT_TOKEN=… npm start',
  ]
}
