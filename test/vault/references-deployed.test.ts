/** The second seed's how-to on workerd and on Lambda's bundles, from a real identity provider to a real OpenBao. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { Deployment } from '../conformance/driver.ts'
import { startWorker } from '../conformance/driver.ts'
import { startLambda } from '../conformance/lambda-driver.ts'
import { DurableOpenBao } from '../faults/durable-openbao.ts'
import { runCli } from '../support/cli.ts'
import { entityOfDeck, howTo } from '../support/how-to.ts'
import type { IdentityProvider } from '../support/identity-provider.ts'
import { startIdentityProvider } from '../support/identity-provider.ts'
import { settingsOf } from '../support/settings.ts'
import type { VaultClient } from '../support/vault.ts'
import { vaultClient } from '../support/vault.ts'

const shared = inject('openbao')
const TOKEN = 'ek_of_the_how_to'
const PASS1 = '{vault://hashicorp-vault/password/pass1}'
const START_MS = 120_000

describe.skipIf(shared === null).each([
  ['workerd', startWorker],
  ['Lambda', startLambda],
] as const)('a reference on %s, as the how-to has it', (_name, start) => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-references-'))
  let bao: DurableOpenBao
  let root: VaultClient
  let provider: IdentityProvider
  let deployment: Deployment

  beforeAll(async () => {
    bao = await DurableOpenBao.start(shared?.binary ?? '')
    provider = await startIdentityProvider()
    root = await vaultClient(bao.address, bao.token).mount('secret')
    await howTo(root, provider)
    deployment = await start({
      ...settingsOf(bao.address, TOKEN),
      KEYRING_VAULT_TOKEN: bao.token,
      ...(await entityOfDeck(folder, bao.address, provider)),
    })
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

  it('is given while OpenBao is gone', async () => {
    await bao.kill()
    expect(await vaultGet(PASS1)).toBe('the second value')
  })
})
