/** What the server does by itself once a minute, with a timer that the test moves on. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import { openInstance } from '../../functions/node/instance.ts'
import { parseConfig } from '../../src/config/config.ts'
import { vaultClient } from '../support/vault.ts'

const MINUTE_MS = 60_000

it('syncs, and brings into the status what is not taken of the settings until it is', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  const vault = await startDevVault({ port: 0, dataFile: null })
  await vaultClient(vault.address, 'root').write('keyring', { id: 'first001', key: 'any 0123456789abcdef0123456789' })
  const parsed = parseConfig(
    {
      KEYRING_VAULT_HOST: vault.address,
      KEYRING_VAULT_MOUNT: 'secret',
      KEYRING_VAULT_PATH: 'keyring',
      KEYRING_VAULT_TOKEN: 'root',
      KEYRING_API_TOKEN: 'of-no-importance',
      KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
    },
    'node',
  )
  let problems = [{ name: 'KEYRING_WRAPPING_KEYS', message: 'is not taken' }]
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] })
  const own = { database: join(folder, 'db'), auditFile: join(folder, 'audit') }
  const renew = async () => ({ config: null, problems })
  const instance = openInstance((parsed.ok ? parsed.config : null) ?? expect.unreachable(), { ...own, renew })
  onTestFinished(async () => {
    await instance.close()
    vi.useRealTimers()
    await vault.close()
    rmSync(folder, { recursive: true })
  })
  const status = async () => (await instance.keyring('default')).status()
  vi.advanceTimersByTime(MINUTE_MS)
  await vi.waitFor(async () =>
    expect(await status()).toMatchObject({ active: 'first001', needed: ['KEYRING_WRAPPING_KEYS is not taken'] }),
  )
  problems = []
  vi.advanceTimersByTime(MINUTE_MS)
  await vi.waitFor(async () => expect(await status()).toMatchObject({ needed: [] }))
})
