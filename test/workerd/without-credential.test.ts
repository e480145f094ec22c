/** The Worker on the bare runtime: what is answered before the request has come whole. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe } from 'vitest'
import { withoutCredential } from '../support/without-credential.ts'
import type { Workerd } from '../support/workerd.ts'
import { startWorkerd } from '../support/workerd.ts'

const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
const sha256 = createHash('sha256').update('ek_of_no_importance').digest('hex')
let workerd: Workerd
beforeAll(async () => {
  const entry = join(import.meta.dirname, '../../functions/cloudflare/worker.ts')
  const texts = {
    KEYRING_VAULT_HOST: 'http://127.0.0.1:9',
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: 'keyring',
    KEYRING_VAULT_TOKEN: 'root',
    KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
    KEYRING_API_TOKENS: JSON.stringify([{ name: 'test', sha256, grants: ['admin'] }]),
  }
  const objects = { KEYRING_OBJECT: ['KeyringObject', 'main'] as const }
  workerd = await startWorkerd(folder, [{ name: 'main', entry, objectClass: 'KeyringObject', texts, objects }])
}, 60_000)
afterAll(async () => {
  await workerd.kill()
  rmSync(folder, { recursive: true })
})

describe('on workerd, somebody without a credential', () => {
  withoutCredential(() => Number(new URL(workerd.url('main')).port))
})
