/** What a start tells: one report, as the first screen for people or as lines of JSON for a log. */
import type { Result } from '../../src/core/errors.ts'
import type { SyncReport } from '../../src/core/ports.ts'
import { problemLines } from '../../src/config/outcome.ts'
import { settingLine } from '../../src/core/lines.ts'
import type { Setup } from './local.ts'
import type { StartFailure } from './start-failure.ts'

export const VERSION = '0.1.0'

interface FirstSync {
  readonly keyring: string
  /** `<mount>/<path>`. */
  readonly source: string
  readonly result: Result<SyncReport>
  /** Of the record that there is now: a sync that failed leaves the one before it. */
  readonly active: string | null
  readonly keys: number
  readonly ms: number
}

export interface Report {
  begun(): void
  /** What fails while the rest goes on. */
  trouble(failure: StartFailure): void
  devVault(address: string): void
  synced(first: FirstSync): void
  /** @param id of the key with which a dev Vault begins. */
  listening(address: string, port: number, setup: Setup, id: string): void
  /** The process ends. */
  failed(failure: StartFailure): void
}

export const onScreen: Report = {
  begun: () => console.log(`edge-keyring ${VERSION}   local default; all it keeps is in .edge-keyring/`),
  trouble: ({ code, message, remedy }) => console.log(noLine('folder', `${code}: ${message}`, remedy)),
  devVault: (address) => console.log(line('ok', 'dev Vault', `${address}   a stand-in: never for real data`)),
  synced: (first) => console.log(syncLine(first)),
  listening(address, port, setup, id) {
    console.log(line('ok', 'listening', `${address}   admin token in ${setup.tokenIn ?? 'the settings'}`))
    console.log(linesToTry(setup, port, id))
  },
  failed({ code, message, problems, remedy }) {
    for (const text of [`${code}: ${message}`, ...problemLines(problems), remedy]) console.error(text)
  },
}

export const asJson: Report = {
  begun: () => {},
  trouble: ({ code, message, remedy }) => log('warn', { start: 'folder', code, message, remedy }),
  devVault: () => {},
  synced({ result, ...first }) {
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

function syncLine({ keyring, source, result, active, keys, ms }: FirstSync): string {
  const held = `${keyring}: ${active === null ? 'no active key' : `${active} (active)`}`
  if (!result.ok) {
    const { code, message, remedy } = result.error
    return noLine('keyring', `${held}; ${code}: ${message}`, remedy)
  }
  const { requests, remaining } = result.value
  const left = remaining === 0 ? '' : `, ${count(remaining, 'version')} still to read`
  const what = `${source}: ${count(keys, 'key')}, ${count(requests, 'request')} to Vault, ${ms} ms${left}`
  return line(active === null ? 'no' : 'ok', 'keyring', `${held}; ${what}`)
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`

function linesToTry(setup: Setup, port: number, id: string): string {
  const url = `localhost:${port}`
  const token = setup.tokenIn === null ? '<an API token>' : `$(cat ${setup.tokenIn})`
  return [
    'In a second terminal, in this folder:',
    `  H="Kong-Admin-Token: ${token}"`,
    `  curl -i -X POST ${url}/keyring/vault/sync -H "$H"     # 204`,
    `  curl ${url}/keyring/ -H "$H"                          # {"ids":["${id}"],"active":"${id}"}`,
    ...(setup.devVaultPort === null ? [] : devVaultLines(url, setup.devVaultPort)),
  ].join('\n')
}

function devVaultLines(url: string, vaultPort: number): string[] {
  const vault = `localhost:${vaultPort}/v1`
  return [
    'Rotate: write a new version, then the two lines again',
    `  curl ${vault}/secret/data/keyring -H "X-Vault-Token: root" -d '{"data":{"id":"second01","key":"'$(openssl rand -base64 32)'"}}'`,
    'Pull the plug: Vault is sealed, the keyring stays',
    `  curl -X PUT ${vault}/sys/seal -H "X-Vault-Token: root"; curl ${url}/keyring/ -H "$H"`,
    'Your own Vault: KONG_KEYRING_VAULT_HOST=https://… KONG_KEYRING_VAULT_TOKEN=… npm start',
  ]
}
