/** Where logins of the tests run: in this process, in a bundle on workerd, and in one for Lambda. The cases are the same. */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import type { ErrorData, Result } from '../../src/core/errors.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import type { IssuedToken, SealedItems } from '../../src/vault/login/method.ts'
import { bundleForLambda } from '../../tools/build-lambda.ts'
import { gateway } from './gateway.ts'
import type { LambdaFunction } from './lambda/cloud.ts'
import { startFunction } from './lambda/cloud.ts'
import type { DynamoServer } from './lambda/table.ts'
import { awsEnvironment, createTable, startDynalite } from './lambda/table.ts'
import type { Call } from './login-call.ts'
import type { LoginOptions, SpiedVault } from './logins.ts'
import { NEVER, loginEnv, loginMethod, memoryItems } from './logins.ts'
import type { Workerd } from './workerd.ts'
import { startWorkerd } from './workerd.ts'

interface Circumstances {
  /** Its instances share what is stored. Absent = one of its own. */
  readonly deployment?: string
  /** How far the clock is ahead. */
  readonly aheadMs?: number
  /** Settings beside those of the login. */
  readonly env?: Readonly<Record<string, string>>
}

export interface LoginRunner {
  readonly name: 'Node' | 'workerd' | 'Lambda'
  /** By an instance that has just started. */
  login(options: LoginOptions, vault: SpiedVault, how?: Circumstances): Promise<IssuedToken>
  credential(options: LoginOptions): Promise<string>
}

/** Call it where the suite begins: workerd and the function run as long as the suite. */
export function loginRunners(): readonly [LoginRunner, LoginRunner, LoginRunner] {
  return [onNode(), onWorkerd(), onLambda()]
}

function onNode(): LoginRunner {
  const deployments = new Map<string, SealedItems>()
  const itemsOf = (deployment: string): SealedItems => {
    const items = deployments.get(deployment) ?? memoryItems()
    deployments.set(deployment, items)
    return items
  }
  return {
    name: 'Node',
    login: (options, vault, { deployment = randomUUID(), aheadMs = 0, env = {} } = {}) => {
      const clock = { ...systemClock, now: () => Date.now() + aheadMs }
      return loginMethod(options, { items: itemsOf(deployment), clock }, env).login(vault, NEVER)
    },
    credential: async (options) => loginMethod(options).credential(NEVER),
  }
}

function onWorkerd(): LoginRunner {
  let folder: string
  let workerd: Workerd
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'edge-keyring-logins-'))
    const entry = join(import.meta.dirname, '../workerd/login-worker.ts')
    const objects = { LOGINS: ['LoginObject', 'login'] } as const
    workerd = await startWorkerd(folder, [{ name: 'login', entry, objectClass: 'LoginObject', objects }])
  })
  afterAll(async () => {
    await workerd.kill()
    rmSync(folder, { recursive: true })
  })

  return bySending('workerd', async (call) => {
    const response = await fetch(workerd.url('login'), { method: 'POST', body: JSON.stringify(call) })
    if (response.status !== 200) throw new Error(`The Worker answered ${response.status}: ${await response.text()}`)
    return response.json()
  })
}

/** An instance runs one call at a time: who calls meanwhile gets another one, and they meet in the table. */
function onLambda(): LoginRunner {
  let folder: string
  let server: DynamoServer
  let start: () => Promise<LambdaFunction>
  const instances: LambdaFunction[] = []
  const idle: LambdaFunction[] = []
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'edge-keyring-logins-'))
    server = await startDynalite()
    const { file } = await bundleForLambda('test/lambda/login-function.ts', 'login', folder)
    const env = { ...awsEnvironment(server.endpoint), KEYRING_TABLE: await createTable(server.endpoint) }
    start = async () => {
      const instance = await startFunction(file, env, TIMEOUT_MS)
      instances.push(instance)
      return instance
    }
  })
  afterAll(async () => {
    await Promise.all(instances.map((instance) => instance.stop()))
    await server.close()
    rmSync(folder, { recursive: true })
  })

  return bySending('Lambda', async (call) => {
    const instance = idle.pop() ?? (await start())
    const { failed, body } = await instance.invoke(call)
    idle.push(instance)
    if (failed) throw new Error(`The function failed: ${instance.output()}`)
    return body
  })
}

/** Milliseconds. */
const TIMEOUT_MS = 90_000

/** @param send carries a call there, and its result back. */
function bySending(name: LoginRunner['name'], send: (call: Call) => Promise<unknown>): LoginRunner {
  async function ask<T>(call: Call): Promise<T> {
    const result = (await send(call)) as Result<T>
    if (!result.ok) throw thrown(result.error)
    return result.value
  }

  return {
    name,
    async login(options, { address, namespace, send: way }, { deployment = randomUUID(), aheadMs = 0, env = {} } = {}) {
      const open = await gateway(address, way)
      const vault = { address: open.url, namespace }
      const call = { deployment, settings: loginEnv(options, env), aheadMs, vault }
      try {
        const { token, ...issued } = await ask<Omit<IssuedToken, 'token'> & { token: string }>(call)
        return { ...issued, token: new Secret(token) }
      } finally {
        await open.close()
      }
    },
    credential: (options) => ask({ deployment: randomUUID(), settings: loginEnv(options), aheadMs: 0, vault: null }),
  }
}

const thrown = ({ code, message, remedy, facts }: ErrorData): KeyringError =>
  new KeyringError(code, message, { remedy, facts })
