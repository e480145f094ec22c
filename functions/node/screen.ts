/** The first screen: what runs, and the lines to try. */
import type { KeyringError } from '../../src/core/errors.ts'
import type { Setup } from './local.ts'

export const VERSION = '0.1.0'

export const line = (mark: 'ok' | 'no', what: string, detail: string): string =>
  `  ${mark}  ${what.padEnd(10)}  ${detail}`

export const header = (): string => `edge-keyring ${VERSION}   local default; all it keeps is in .edge-keyring/`

export const trouble = (
  what: string,
  { code, message, remedy }: Pick<KeyringError, 'code' | 'message' | 'remedy'>,
): string => `${line('no', what, `${code}: ${message}`)}\n${' '.repeat(18)}${remedy}`

export function lines(setup: Setup, port: number, id: string): string {
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
