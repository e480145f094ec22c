/** One request to Vault in a process of its own, then the modules of undici that were loaded. Settings come from the environment. */
import { createRequire } from 'node:module'
import { vaultFetch } from '../../../functions/node-shared/vault-fetch.ts'
import { configOf } from '../../support/syncing.ts'

const { env } = process
const { vault } = configOf(
  Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (name.startsWith('KEYRING_') && value ? [[name, value]] : [])),
  ),
)
const client = vaultFetch(vault)
const response = await client.fetch(new Request(`${vault?.address}/v1/sys/seal-status`))
await response.text()
await client.close()
const loaded = Object.keys(createRequire(import.meta.url).cache).filter((path) =>
  path.includes('/node_modules/undici/'),
)
console.log(JSON.stringify({ status: response.status, isUndiciLoaded: loaded.length > 0 }))
