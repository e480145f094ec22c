/** The fault matrix with a real OpenBao as the source, and one that is sealed between two rotations. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { Secret } from '../../src/core/secret.ts'
import { kv2Sink, kv2Source } from '../../src/vault/kv/kv2.ts'
import { givenTokenReader } from '../../src/vault/reader.ts'
import { vaultTransport } from '../../src/vault/wire/transport.ts'
import type { Syncing } from '../support/syncing.ts'
import { syncing } from '../support/syncing.ts'
import type { VaultClient, VaultServer } from '../support/vault.ts'
import { vaultClient, vaultTargets } from '../support/vault.ts'
import type { Bug } from '../explore/scenes.ts'
import { runSeed } from './schedules.ts'

const SEEDS = 20
const [, target] = vaultTargets()
const keyOf = (id: string) => ({ id, key: `${id} 0123456789abcdef0123456789abcdef` })

describe.skipIf(!target.isAvailable)('with OpenBao', { timeout: 120_000 }, () => {
  let server: VaultServer
  let secrets: VaultClient
  beforeAll(async () => {
    server = await target.open()
    secrets = await vaultClient(server.address, server.token).mount('faults')
  }, 60_000)
  afterAll(() => server.close())

  /** What it takes is told to the source in memory too, which the witness looks at. */
  function sourceAt(path: string): Bug {
    const transport = vaultTransport({
      address: server.address,
      namespace: '',
      timeoutMs: 10_000,
      fetch,
      clock: { now: () => Date.now(), sleep: async () => {} },
    })
    const reader = givenTokenReader(transport, new Secret(server.token))
    const parts = { address: server.address, namespace: '', mount: 'faults', path }
    const all = { ...parts, reader, cipher: nodeCipher, hash: nodeHash }
    return {
      isSource: true,
      between: {
        source: () => kv2Source(all),
        sink: (inMemory) => ({
          ...kv2Sink(all),
          async write(pair, expected, signal) {
            const written = await kv2Sink(all).write(pair, expected, signal)
            if (written !== 'conflict') expect(await inMemory.write(pair, expected, signal)).not.toBe('conflict')
            return written
          },
        }),
      },
    }
  }

  const deployment = (path: string) =>
    syncing({
      KEYRING_VAULT_HOST: server.address,
      KEYRING_VAULT_MOUNT: 'faults',
      KEYRING_VAULT_PATH: path,
      KEYRING_VAULT_TOKEN: server.token,
    })
  const rotate = async (made: Syncing | undefined) =>
    made?.authority.call({ call: 'rotate', keyring: 'default', dryRun: false })

  it(`${SEEDS} schedules keep every promise`, async () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const path = `ring-${seed}`
      for (const id of ['a', 'b']) await secrets.write(path, keyOf(id))
      expect(await runSeed(seed, { source: sourceAt(path) })).toBeNull()
    }
    const written = await secrets.metadata('ring-1')
    expect(written.current_version).toBeGreaterThan(2)
  })

  it('50 rotations at once, by ten deployments, are one version', async () => {
    await secrets.write('at-once', keyOf('a'))
    const all = await Promise.all(Array.from({ length: 10 }, () => deployment('at-once')))
    for (const each of all) await each.sync()
    const outcomes = await Promise.all(Array.from({ length: 50 }, (_, at) => rotate(all[at % all.length])))
    expect(outcomes.filter((each) => each?.ok && each.value.rotated)).toHaveLength(1)
    expect((await secrets.metadata('at-once')).current_version).toBe(2)
    for (const each of all) await each.sync()
    expect(new Set(await Promise.all(all.map(async (each) => (await each.shown()).active))).size).toBe(1)
    for (const each of all) await each.close()
  })

  it('sealed: no key is lost, encryption goes on, and the rotation that was refused is made later', async () => {
    await secrets.write('sealed', keyOf('a'))
    const made = await deployment('sealed')
    await made.sync()
    await secrets.seal()
    expect(await rotate(made)).toMatchObject({ ok: false, error: { code: 'ERR_VAULT_SEALED' } })
    const { ciphertext } = await made.keyring.encrypt(new Uint8Array([1]), new Uint8Array())
    await secrets.unseal(server.unsealKey)
    expect(await rotate(made)).toMatchObject({ ok: true, value: { rotated: true, version: 2 } })
    expect((await made.keyring.decrypt(ciphertext, new Uint8Array())).keyId).toBe('a')
    await made.close()
  })
})
