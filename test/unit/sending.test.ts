/** Deadlines outlive the garbage collector: a request that nobody answers ends, whatever was collected meanwhile. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ask as askDeployment } from '../../functions/cli/answer.ts'
import { systemClock } from '../../functions/node-shared/clock.ts'
import { Secret } from '../../src/core/secret.ts'
import { ask } from '../../src/vault/login/outside.ts'
import { vaultTransport } from '../../src/vault/wire/transport.ts'
import { NEVER, refusal } from '../support/logins.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const timeoutMs = 300
const send = (request: Request) => fetch(request)

let silent: Server
let address = ''
beforeEach(async () => {
  silent = createServer()
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  address = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
})
afterEach(() => {
  silent.closeAllConnections()
  silent.close()
})

/** Once the request is there, all that nobody holds is collected. */
async function collectUnderWay(): Promise<void> {
  await once(silent, 'request')
  for (let times = 0; times < 3; times += 1) collect()
}

it('of a request to Vault', async () => {
  const transport = vaultTransport({ address, fetch: send, clock: systemClock, namespace: '', timeoutMs })
  const code = refusal(transport.get({ segments: ['sys', 'health'], token: null, signal: NEVER }))
  await collectUnderWay()
  expect(await code).toBe('ERR_VAULT_TIMEOUT')
})

it('of a request to an identity provider', async () => {
  const answer = ask({ clock: systemClock, fetch: send }, { url: address, timeoutMs }, NEVER)
  await collectUnderWay()
  expect(await answer).toMatchObject({ status: null, what: 'does not answer in time' })
})

it('of a request of the command line', async () => {
  const target = {
    where: '',
    base: address,
    token: new Secret('t'),
    fetch: send,
    answerMs: timeoutMs,
    close: async () => {},
  }
  const ended = askDeployment(target, 'GET', '/keyring').catch((error: unknown) => error)
  await collectUnderWay()
  expect(await ended).toMatchObject({ document: { code: 'ERR_DEPLOYMENT_TIMEOUT' } })
})
