/** A Worker of a user's own repository, with the built entry of the package as its only code. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTestHarness } from 'wrangler'
import { expect, it, onTestFinished } from 'vitest'
import { ownRepository } from '../support/own-repository.ts'

const ROOT = join(import.meta.dirname, '../..')

it('is the Worker that this repository deploys, by one line that exports it again', async () => {
  const { folder, settings, token, remove } = await ownRepository()
  onTestFinished(remove)
  const wrangler = readFileSync(join(ROOT, 'wrangler.toml'), 'utf8')
  writeFileSync(join(folder, 'wrangler.toml'), wrangler.replace('functions/cloudflare/worker.ts', 'src/index.ts'))
  mkdirSync(join(folder, 'src'))
  const line = "export { default, KeyringObject, KeyringService } from 'edge-keyring/worker'\n"
  writeFileSync(join(folder, 'src/index.ts'), line)
  const harness = createTestHarness({ root: folder, workers: [{ configPath: 'wrangler.toml', secrets: settings }] })
  onTestFinished(() => harness.close())
  const { url } = await harness.listen()
  const call = (path: string, method = 'GET') =>
    fetch(new URL(path, url), { method, headers: { authorization: `Bearer ${token}` } })
  expect((await call('/keyring/vault/sync', 'POST')).status).toBe(204)
  expect(await (await call('/keyring')).json()).toEqual({ ids: ['first001'], active: 'first001' })
})
