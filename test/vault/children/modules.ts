/** One request to Vault in a process of its own, and whether undici was loaded before it and after. Settings come from the environment. */
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
const isLoaded = () =>
  Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('/node_modules/undici/'))
const before = isLoaded()
const response = await client.fetch(new Request(`${vault?.address}/v1/sys/seal-status`))
await response.text()
await client.close()
console.log(JSON.stringify({ status: response.status, loaded: [before, isLoaded()] }))
