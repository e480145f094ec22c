/** Where logins of the tests run: in this process, and on workerd. The cases are the same. */
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
import { gateway } from './gateway.ts'
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
  readonly name: 'Node' | 'workerd'
  /** By an instance that has just started. */
  login(options: LoginOptions, vault: SpiedVault, how?: Circumstances): Promise<IssuedToken>
  credential(options: LoginOptions): Promise<string>
}

/** Call it where the suite begins: workerd runs as long as the suite. */
export function loginRunners(): readonly [LoginRunner, LoginRunner] {
  return [onNode(), onWorkerd()]
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

  async function ask<T>(call: Call): Promise<T> {
    const response = await fetch(workerd.url('login'), { method: 'POST', body: JSON.stringify(call) })
    if (response.status !== 200) throw new Error(`The Worker answered ${response.status}: ${await response.text()}`)
    const result = (await response.json()) as Result<T>
    if (!result.ok) throw thrown(result.error)
    return result.value
  }

  return {
    name: 'workerd',
    async login(options, { address, namespace, send }, { deployment = randomUUID(), aheadMs = 0, env = {} } = {}) {
      const way = await gateway(address, send)
      const vault = { address: way.url, namespace }
      const call = { deployment, settings: loginEnv(options, env), aheadMs, vault }
      try {
        const { token, ...issued } = await ask<Omit<IssuedToken, 'token'> & { token: string }>(call)
        return { ...issued, token: new Secret(token) }
      } finally {
        await way.close()
      }
    },
    credential: (options) => ask({ deployment: randomUUID(), settings: loginEnv(options), aheadMs: 0, vault: null }),
  }
}

const thrown = ({ code, message, remedy, facts }: ErrorData): KeyringError =>
  new KeyringError(code, message, { remedy, facts })
