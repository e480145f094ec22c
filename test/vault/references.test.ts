/** The second seed's how-to on Node, from a real identity provider to a real OpenBao; and one that is killed and comes back under load. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setInterval as every } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { DurableOpenBao } from '../faults/durable-openbao.ts'
import { runCli } from '../support/cli.ts'
import { TTL_MS, entityOfDeck, howTo } from '../support/how-to.ts'
import type { IdentityProvider } from '../support/identity-provider.ts'
import { startIdentityProvider } from '../support/identity-provider.ts'
import type { NodeServer } from '../support/node-server.ts'
import { API_TOKEN, nodeServer } from '../support/node-server.ts'
import type { FaultyProxy, VaultClient } from '../support/vault.ts'
import { faultyProxy, vaultClient } from '../support/vault.ts'

const shared = inject('openbao')
const PASS1 = '{vault://hashicorp-vault/password/pass1}'
/** How long OpenBao is gone by the server's clock, in so many steps. */
const [OUTAGE_MS, OUTAGE_ROUNDS] = [300_000, 30]
const CLOCK = pathToFileURL(join(import.meta.dirname, '../node/children/told-clock.ts')).href

describe.skipIf(shared === null)('a reference, as the how-to has it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-references-'))
  const clock = {
    ms: 0,
    file: join(folder, 'clock'),
    pass(ms: number) {
      writeFileSync(this.file, String((this.ms += ms)))
    },
  }
  let bao: DurableOpenBao
  let root: VaultClient
  let provider: IdentityProvider
  let between: FaultyProxy
  let server: NodeServer

  beforeAll(async () => {
    clock.pass(0)
    bao = await DurableOpenBao.start(shared?.binary ?? '')
    provider = await startIdentityProvider()
    between = await faultyProxy(bao.address)
    root = await vaultClient(bao.address, bao.token).mount('secret')
    await howTo(root, provider)
    server = await nodeServer({
      ...(await entityOfDeck(folder, between.address, provider)),
      KEYRING_VAULT_HOST: bao.address,
      KEYRING_VAULT_TOKEN: bao.token,
      KEYRING_DATABASE: join(folder, 'keyring.sqlite'),
      NODE_OPTIONS: `--import=${CLOCK}`,
      TOLD_CLOCK: clock.file,
    })
  }, 120_000)
  afterAll(async () => {
    await server?.end('SIGKILL')
    await Promise.all([between?.close(), provider?.close(), bao?.close()])
    rmSync(folder, { recursive: true, force: true })
  })

  const vaultGet = (reference: string) =>
    runCli(['vault', 'get', reference], {
      cwd: folder,
      env: { EDGE_KEYRING_URL: `http://127.0.0.1:${server.port}`, EDGE_KEYRING_TOKEN: API_TOKEN },
    })
  const resolved = async (): Promise<string> => {
    const { status, body } = await server.call('/secrets/resolve', { references: [PASS1] })
    const [one] = (body['secrets'] ?? []) as { value?: string; error?: { code: string } }[]
    return one?.value ?? one?.error?.code ?? `status ${status}`
  }
  const reads = () => between.seen.filter(({ path }) => path.startsWith('/v1/secret/data/password'))

  it('is printed by vault get, after a login with an access token', async () => {
    const { code, stdout } = await vaultGet(PASS1)
    expect([code, stdout]).toEqual([0, 'the first value'])
    expect(provider.seen.length).toBe(1)
    expect(between.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /v1/auth/jwt/login',
      'GET /v1/secret/data/password',
    ])
  })

  it('is held, and a new version is there within its TTL', async () => {
    await root.write('password', { pass1: 'the second value' })
    expect(await resolved()).toBe('the first value')
    expect(reads()).toHaveLength(1)
    clock.pass(TTL_MS)
    expect((await vaultGet(PASS1)).stdout).toBe('the second value')
    expect((await vaultGet(`${PASS1.slice(0, -1)}#1}`)).stdout).toBe('the first value')
    expect(provider.seen.length).toBe(1)
  })

  it('says the same of what the role may not read and of what is not there, and nothing else', async () => {
    const { code, stdout, stderr } = await vaultGet('{vault://hashicorp-vault/keyring/key}')
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain('ERR_SECRET_FORBIDDEN')
    const none = await vaultGet('{vault://hashicorp-vault/password/none}')
    expect(none.stderr).toContain('ERR_SECRET_UNUSABLE')
  })

  it.each([
    '{vault://hashicorp-vault/../password/pass1}',
    '{vault://hashicorp-vault/%2e%2e/password/pass1}',
    '{vault://hashicorp-vault/%252e%252e/password/pass1}',
    '{vault://hashicorp-vault/x%2F..%2Fpassword/pass1}',
    '{vault://hashicorp-vault/x%252F%252E%252E%252Fpassword/pass1}',
    '{vault://hashicorp-vault/..%255Cpassword/pass1}',
    '{vault://hashicorp-vault/./password/pass1}',
  ])('causes no request where its path leads elsewhere: %s', async (reference) => {
    const before = between.seen.length
    const { code, stdout } = await vaultGet(reference)
    expect([code, stdout]).toEqual([1, ''])
    expect(between.seen.length).toBe(before)
  })

  it(
    'is given to each of 200 requests a second while OpenBao is killed and comes back',
    { timeout: 180_000 },
    async () => {
      const before = await resolved()
      clock.pass(TTL_MS)
      const load = loadOn(resolved)
      await load.more(200)
      expect(load.answers()).toEqual([before])
      between.seen.length = 0
      await bao.kill()
      clock.pass(TTL_MS)
      for (let round = 0; round < OUTAGE_ROUNDS; round += 1) {
        clock.pass(OUTAGE_MS / OUTAGE_ROUNDS)
        await load.more(20)
      }
      const back = bao.again()
      await load.until(back)
      expect(load.answers()).toEqual([before])
      // One try at a time, of three requests; with pauses of 1, 2, 4, 8, 16, 32 and 60 s between them, and a minute more for what the machine takes. The login is asked nothing.
      expect(between.seen.length).toBe(reads().length)
      expect(reads().length).toBeLessThanOrEqual((7 + OUTAGE_MS / 60_000 + 1) * 3)
      await root.write('password', { pass1: 'after the outage' })
      clock.pass(TTL_MS)
      between.seen.length = 0
      await load.more(200)
      expect(load.answers()).toEqual([before, 'after the outage'])
      expect(reads()).toHaveLength(1)
    },
  )
})

/** 200 requests a second, ten at a time, whatever becomes of those before. */
function loadOn(ask: () => Promise<string>) {
  const seen = new Set<string>()
  const send = async (isEnough: () => boolean) => {
    const all: Promise<void>[] = []
    for await (const _ of every(50)) {
      for (let at = 0; at < 10; at += 1) all.push(ask().then((answer) => void seen.add(answer)))
      if (isEnough()) break
    }
    await Promise.all(all)
  }
  return {
    answers: () => [...seen],
    more: (count: number) => {
      let sent = 0
      return send(() => (sent += 10) >= count)
    },
    until: async (work: Promise<void>) => {
      let isOver = false
      void work.finally(() => (isOver = true)).catch(() => {})
      await send(() => isOver)
      await work
    },
  }
}
