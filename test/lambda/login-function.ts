/** For the tests alone: logins in a function, bundled as the sync function is, with settings and a Vault that each call brings along. */
import { readFile } from 'node:fs/promises'
import { signedAws } from '../../functions/lambda/aws.ts'
import { dynamoStore } from '../../functions/lambda/dynamo-store.ts'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { systemClock } from '../../src/core/clock.ts'
import { parseConfig } from '../../src/config/config.ts'
import { settle } from '../../src/core/errors.ts'
import type { RecordStore } from '../../src/core/ports.ts'
import { itemSealer } from '../../src/crypto/seal-item.ts'
import type { LoginMethod } from '../../src/vault/login/method.ts'
import { openLogin } from '../../src/vault/login/open.ts'
import { loginItems, sealedItems } from '../../src/vault/token/sealed-items.ts'
import { rare } from '../../src/rare.ts'
import type { Call } from '../support/login-call.ts'
import { NEVER, loginVault } from '../support/logins.ts'

const { env } = process
const table = dynamoStore({
  aws: signedAws(env),
  table: env['KEYRING_TABLE'] ?? '',
  clock: systemClock,
  leftMs: () => Number.POSITIVE_INFINITY,
})

/** Deployments share the table of the tests, and nothing in it. */
const storeOf = (deployment: string): RecordStore => ({
  get: (name) => table.get(`${deployment}/${name}`),
  put: (name, ...written) => table.put(`${deployment}/${name}`, ...written),
})

function methodOf({ deployment, settings, aheadMs }: Call): LoginMethod {
  const { KEYRING_API_TOKENS: _, ...own } = settings
  const parsed = parseConfig({ KEYRING_TABLE: 'of-no-importance', ...own }, 'lambda-sync')
  const { vault, wrappingKeys = [] } = (parsed.ok && parsed.config) || {}
  if (!vault || vault.auth.method === 'token') throw new Error('There is no login.')
  const clock = { ...systemClock, now: () => Date.now() + aheadMs }
  const items = sealedItems(storeOf(deployment), clock, () => itemSealer(nodeCipher, nodeHash, wrappingKeys))
  return openLogin(vault.auth, {
    clock,
    fetch: (request) => fetch(request),
    readFile: (path) => readFile(path, 'utf8'),
    items: loginItems(items),
    loadRare: () => rare,
  })
}

export const handler = (call: Call): Promise<unknown> =>
  settle(async () => {
    const method = methodOf(call)
    if (call.vault === null) return method.credential(NEVER)
    const { token, ...issued } = await method.login(loginVault(call.vault.address, call.vault.namespace), NEVER)
    return { ...issued, token: token.reveal() }
  })
