/** The second seed's how-to on workerd and on Lambda's bundles, from a real identity provider to a real OpenBao. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { createTestHarness } from 'wrangler'
import { startLambda } from '../conformance/lambda-driver.ts'
import { DurableOpenBao } from '../faults/durable-openbao.ts'
import { runCli } from '../support/cli.ts'
import { TTL_MS, entityOfDeck, howTo } from '../support/how-to.ts'
import type { IdentityProvider } from '../support/identity-provider.ts'
import { startIdentityProvider } from '../support/identity-provider.ts'
import { isolate } from '../support/isolates.ts'
import { settingsOf } from '../support/settings.ts'
import type { VaultClient } from '../support/vault.ts'
import { vaultClient } from '../support/vault.ts'

const shared = inject('openbao')
const TOKEN = 'ek_of_the_how_to'
const PASS1 = '{vault://hashicorp-vault/password/pass1}'
const START_MS = 120_000

const CLOCK = pathToFileURL(join(import.meta.dirname, '../node/children/told-clock.ts')).href

/** A deployment whose clock the test moves. */
interface Timed {
  readonly url: string
  readonly pass: (ms: number) => Promise<void>
  readonly stop: () => Promise<void>
}

type Start = (settings: Record<string, string>, folder: string) => Promise<Timed>

const onWorkerd: Start = async (settings) => {
  const harness = createTestHarness({ workers: [isolate('first', 'test/workerd/timed-worker.ts', settings)] })
  const { url } = await harness.listen()
  return {
    url: url.origin,
    pass: async (ms) =>
      void (await harness.getWorker('first').fetch('/test/clock', { method: 'PUT', body: String(ms) })),
    stop: () => harness.close(),
  }
}

const onLambda: Start = async (settings, folder) => {
  const file = join(folder, 'clock')
  let aheadMs = 0
  const pass = async (ms: number) => writeFileSync(file, String((aheadMs += ms)))
  await pass(0)
  const deployment = await startLambda({ ...settings, NODE_OPTIONS: `--import=${CLOCK}`, TOLD_CLOCK: file })
  return { url: deployment.url, pass, stop: () => deployment.stop() }
}

describe.skipIf(shared === null).each([
  ['workerd', onWorkerd],
  ['Lambda', onLambda],
])('a reference on %s, as the how-to has it', (_name, start) => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-references-'))
  let bao: DurableOpenBao
  let root: VaultClient
  let provider: IdentityProvider
  let deployment: Timed

  beforeAll(async () => {
    bao = await DurableOpenBao.start(shared?.binary ?? '')
    provider = await startIdentityProvider()
    root = await vaultClient(bao.address, bao.token).mount('secret')
    await howTo(root, provider)
    const settings = {
      ...settingsOf(bao.address, TOKEN),
      KEYRING_VAULT_TOKEN: bao.token,
      ...(await entityOfDeck(folder, bao.address, provider)),
    }
    deployment = await start(settings, folder)
  }, START_MS)
  afterAll(async () => {
    await deployment?.stop()
    await Promise.all([provider?.close(), bao?.close()])
    rmSync(folder, { recursive: true, force: true })
  })

  const vaultGet = async (reference: string) => {
    const env = { EDGE_KEYRING_URL: deployment.url, EDGE_KEYRING_TOKEN: TOKEN }
    const { code, stdout, stderr } = await runCli(['vault', 'get', reference], { cwd: folder, env })
    return code === 0 ? stdout : (/ERR_\w+/.exec(stderr)?.[0] ?? stderr)
  }
  const renewed = () =>
    fetch(`${deployment.url}/secrets/resolve`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ references: [PASS1], refresh: true }),
    }).then((answer) => answer.json())

  it('is printed by vault get, held, and asked for anew when somebody wants that', async () => {
    expect(await vaultGet(PASS1)).toBe('the first value')
    expect(provider.seen.length).toBe(1)
    await root.write('password', { pass1: 'the second value' })
    expect(await vaultGet(PASS1)).toBe('the first value')
    expect(await renewed()).toEqual({ secrets: [{ reference: PASS1, value: 'the second value' }] })
    expect(await vaultGet(`${PASS1.slice(0, -1)}#1}`)).toBe('the first value')
    expect(provider.seen.length).toBe(1)
    expect(await vaultGet('{vault://hashicorp-vault/keyring/key}')).toBe('ERR_SECRET_FORBIDDEN')
  })

  it('has a new version within its ttl', async () => {
    const logins = provider.seen.length
    await root.write('password', { pass1: 'the third value' })
    expect(await vaultGet(PASS1)).toBe('the second value')
    await deployment.pass(TTL_MS)
    expect(await vaultGet(PASS1)).toBe('the third value')
    expect(provider.seen.length).toBe(logins)
  })

  it('is given while OpenBao is gone', async () => {
    await bao.kill()
    expect(await vaultGet(PASS1)).toBe('the third value')
    await deployment.pass(TTL_MS)
    expect(await vaultGet(PASS1)).toBe('the third value')
  })
})
