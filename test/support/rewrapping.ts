/** A local store whose keyring has rotated, and files of values under both of its keys. */
import { createWriteStream, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { Instance } from '../../functions/node/instance.ts'
import { openInstance } from '../../functions/node/instance.ts'
import { utf8 } from '../../src/core/bytes.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { configOf, keyString } from './syncing.ts'
import { vaultClient } from './vault.ts'

export interface Rewrapping {
  readonly folder: string
  /** For the command line, which finds the store in this folder. */
  readonly env: Readonly<Record<string, string>>
  /** Under the key `first001`, which was active once. */
  readonly old: (plaintext: string, context?: string | Bytes) => Promise<string>
  /** Under the key `second02`, which is active. */
  readonly fresh: (plaintext: string, context?: string | Bytes) => Promise<string>
  readonly plaintextOf: (ciphertext: string, context?: string | Bytes) => Promise<string>
  readonly close: () => Promise<void>
}

export async function rewrapping(): Promise<Rewrapping> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-rewrap-'))
  mkdirSync(join(folder, '.edge-keyring'))
  const vault = await startDevVault({ port: 0, dataFile: null })
  const secrets = vaultClient(vault.address, 'root')
  const env = {
    KEYRING_VAULT_HOST: vault.address,
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: 'keyring',
    KEYRING_VAULT_TOKEN: 'root',
    KEYRING_API_TOKENS: JSON.stringify([{ name: 'a', sha256: '0'.repeat(64), grants: ['read'] }]),
    KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
  }
  const database = join(folder, '.edge-keyring/keyring.sqlite')
  const [before, after] = [join(folder, 'before.sqlite'), database]
  const open = async (file: string, id: string): Promise<Instance> => {
    await secrets.write('keyring', { id, key: keyString(id) })
    const instance = openInstance(configOf(env), { database: file, auditFile: join(folder, 'audit.log') })
    await (await instance.keyring('default')).sync({ force: false, adopt: false, token: null })
    return instance
  }
  const [first, second] = [await open(before, 'first001'), await open(after, 'second02')]
  const seal =
    (instance: Instance) =>
    async (plaintext: string, context: string | Bytes = '') =>
      (await (await instance.keyring('default')).encrypt(utf8(plaintext), bytesOf(context))).ciphertext
  return {
    folder,
    env,
    old: seal(first),
    fresh: seal(second),
    async plaintextOf(ciphertext, context: string | Bytes = '') {
      const { plaintext } = await (await second.keyring('default')).decrypt(ciphertext, bytesOf(context))
      return Buffer.from(plaintext).toString()
    },
    async close() {
      await first.close()
      await second.close()
      await vault.close()
      rmSync(folder, { recursive: true })
    },
  }
}

const bytesOf = (context: string | Bytes): Bytes => (typeof context === 'string' ? utf8(context) : context)

/** Writes as many rows as are wanted. */
export async function writeRows(
  file: string,
  head: string,
  count: number,
  row: (at: number) => Promise<string>,
): Promise<void> {
  const stream = createWriteStream(file)
  stream.write(head)
  for (let at = 0; at < count; at += 1) if (!stream.write(await row(at))) await once(stream, 'drain')
  await new Promise((resolve) => stream.end(resolve))
}
