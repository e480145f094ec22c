/** What a start tells: one report, as the first screen for people or as lines of JSON for a log. */
import type { Result } from '../../src/core/errors.ts'
import type { SyncReport } from '../../src/core/ports.ts'
import type { Setup } from './local.ts'
import type { RunningServer } from './running.ts'

export const VERSION = '0.1.0'
/** The start's own code; docs/cli.md lists it. */
export const ALREADY_RUNNING = 'ERR_ALREADY_RUNNING'

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
  devVault(address: string): void
  synced(first: FirstSync): void
  /** @param id of the key with which a dev Vault begins. */
  listening(address: string, port: number, id: string): void
}

export const onScreen = (setup: Setup): Report => ({
  begun: () => console.log(`edge-keyring ${VERSION}   local default; all it keeps is in .edge-keyring/`),
  devVault: (address) => console.log(line('ok', 'dev Vault', `${address}   a stand-in: never for real data`)),
  synced: (first) => console.log(syncLine(first)),
  listening(address, port, id) {
    console.log(line('ok', 'listening', `${address}   admin token in ${setup.tokenIn ?? 'the settings'}`))
    console.log(linesToTry(setup, port, id))
  },
})

export const asJson: Report = {
  begun: () => {},
  devVault: () => {},
  synced({ result, ...first }) {
    if (result.ok) {
      const { changed, requests, remaining } = result.value
      log('info', { start: 'sync', ...first, outcome: 'synced', code: null, changed, requests, remaining })
    } else log('warn', { start: 'sync', ...first, outcome: 'failed', code: result.error.code })
  },
  listening: (address) => log('info', { listening: address, version: VERSION }),
}

const log = (level: 'info' | 'warn', facts: object): void =>
  console.error(JSON.stringify({ time: new Date().toISOString(), level, ...facts }))

const line = (mark: 'ok' | 'no', what: string, detail: string): string => `  ${mark}  ${what.padEnd(10)}  ${detail}`

function syncLine({ keyring, source, result, active, keys, ms }: FirstSync): string {
  const held = `${keyring}: ${active === null ? 'no active key' : `${active} (active)`}`
  if (!result.ok) {
    const { code, message, remedy } = result.error
    return `${line('no', 'keyring', `${held}; ${code}: ${message}`)}\n${' '.repeat(18)}${remedy}`
  }
  const { requests, remaining } = result.value
  const left = remaining === 0 ? '' : `, ${count(remaining, 'version')} still to read`
  const what = `${source}: ${count(keys, 'key')}, ${count(requests, 'request')} to Vault, ${ms} ms${left}`
  return line(active === null ? 'no' : 'ok', 'keyring', `${held}; ${what}`)
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`

/** @param server `null` = it has not said where it listens. */
export function alreadyRunning(server: RunningServer | null): string {
  const [where, end] =
    server === null
      ? ['it starts, stops, or does not say where it listens', 'end its process']
      : [`${server.url}, with ${server.store}`, `kill ${server.pid}`]
  return `${ALREADY_RUNNING}: edge-keyring already runs here: ${where}.\nStop it first: Ctrl-C in its terminal, or ${end}`
}

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
