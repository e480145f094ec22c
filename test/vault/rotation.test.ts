/** Rotations of a real KV engine: what is written, who may, and that two deployments never both win. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { policy } from '../../functions/cli/policy.ts'
import type { Syncing } from '../support/syncing.ts'
import { syncing } from '../support/syncing.ts'
import type { FaultyProxy, VaultClient, VaultServer } from '../support/vault.ts'
import { faultyProxy, vaultClient, vaultTargets } from '../support/vault.ts'

const pair = (id: string) => ({ id, key: `${id} 0123456789abcdef0123456789abcdef` })
const rotate = ({ authority }: Syncing, dryRun = false) =>
  authority.call({ call: 'rotate', keyring: 'default', dryRun })

for (const target of vaultTargets())
  describe.skipIf(!target.isAvailable)(`a rotation at ${target.name}`, () => {
    let server: VaultServer
    let secrets: VaultClient
    let proxy: FaultyProxy
    let secretNumber = 0

    beforeAll(async () => {
      server = await target.open()
      secrets = await vaultClient(server.address, server.token).mount('rotated')
      proxy = await faultyProxy(server.address)
    })
    afterAll(async () => {
      await proxy.close()
      await server.close()
    })

    const path = () => `ring-${secretNumber}`
    const deployment = (more: Record<string, string> = {}) => {
      const settings = { KEYRING_VAULT_MOUNT: 'rotated', KEYRING_VAULT_PATH: path(), KEYRING_VAULT_TOKEN: server.token }
      return syncing({ ...settings, KEYRING_VAULT_HOST: proxy.address, ...more })
    }
    async function fresh(versions = 1) {
      proxy.heal()
      secretNumber += 1
      for (let version = 1; version <= versions; version += 1) await secrets.write(path(), pair(`key-${version}`))
      const made = await deployment()
      await made.sync()
      proxy.seen.length = 0
      return made
    }

    it('writes the next version with four requests, and every deployment reads its key', async () => {
      const made = await fresh()
      const { ciphertext } = await made.keyring.encrypt(new Uint8Array([1]), new Uint8Array())
      expect(await rotate(made)).toMatchObject({ ok: true, value: { rotated: true, version: 2, left: 8 } })
      expect(proxy.seen.map(({ path: seen }) => seen.replace(path(), '…'))).toEqual([
        '/v1/rotated/metadata/…',
        '/v1/rotated/config',
        '/v1/rotated/data/…',
        '/v1/rotated/metadata/…',
      ])
      const { active, ids } = await made.shown()
      expect(ids).toEqual(['key-1', active])
      const other = await deployment()
      await other.sync()
      const later = await made.keyring.encrypt(new Uint8Array([2]), new Uint8Array())
      expect((await other.keyring.decrypt(later.ciphertext, new Uint8Array())).plaintext[0]).toBe(2)
      expect((await other.keyring.decrypt(ciphertext, new Uint8Array())).keyId).toBe('key-1')
    })

    it('of five deployments at once is one version', async () => {
      await fresh()
      const all = await Promise.all(Array.from({ length: 5 }, () => deployment()))
      for (const each of all) await each.sync()
      const results = await Promise.all(all.map((each) => rotate(each)))
      expect(results.filter((each) => each.ok && each.value.rotated)).toHaveLength(1)
      const actives = await Promise.all(all.map(async (each) => (await each.shown()).active))
      expect(new Set(actives).size).toBe(1)
    })

    it('whose answer gets lost is taken over, and writes no second key', async () => {
      const made = await fresh()
      proxy.spoil(`/data/${path()}`, 'lose')
      expect(await rotate(made)).toMatchObject({ ok: false })
      proxy.heal()
      await made.sync()
      const { active, ids } = await made.shown()
      expect([ids, active]).toEqual([['key-1', active], expect.stringMatching(/^[A-Za-z0-9]{8}$/)])
    })

    it('goes no further than what Vault keeps', async () => {
      const made = await fresh(10)
      expect(await rotate(made)).toMatchObject({
        error: { code: 'ERR_ROTATION_REFUSED', message: expect.stringMatching(/prune version 1,/) },
      })
      await secrets.configure(path(), { max_versions: 12 })
      expect(await rotate(made)).toMatchObject({ value: { rotated: true, left: 1 } })
    })

    it('needs no more than `edge-keyring policy --rotate` prints, and a sync no more than `policy`', async () => {
      await fresh()
      const settings = { KEYRING_VAULT_MOUNT: 'rotated', KEYRING_VAULT_PATH: path() }
      const [reads, writes] = await Promise.all([policy(settings, false), policy(settings, true)])
      const made = await deployment({
        KEYRING_VAULT_TOKEN: await secrets.tokenFor(String(reads.screen)),
        KEYRING_ROTATION_VAULT_TOKEN: await secrets.tokenFor(String(writes.screen)),
      })
      await made.sync()
      expect(await rotate(made)).toMatchObject({ value: { rotated: true } })
    })

    it('without the right to write names path and capability', async () => {
      const made = await fresh()
      const token = await secrets.tokenFor(`path "rotated/*" { capabilities = ["read"] }`)
      const reading = await deployment({ KEYRING_VAULT_TOKEN: token })
      await reading.sync()
      expect(await rotate(reading)).toMatchObject({
        error: {
          code: 'ERR_VAULT_DENIED',
          remedy: expect.stringContaining(`path "rotated/data/${path()}" { capabilities = ["update"] }`),
        },
      })
      proxy.seen.length = 0
      expect(await rotate(reading, true)).toMatchObject({
        error: {
          code: 'ERR_VAULT_DENIED',
          remedy: expect.stringContaining(`path "rotated/data/${path()}" { capabilities = ["update"] }`),
        },
      })
      expect(proxy.seen.map(({ path: seen }) => seen)).toContain('/v1/sys/capabilities-self')
      const writing = await deployment({ KEYRING_VAULT_TOKEN: token, KEYRING_ROTATION_VAULT_TOKEN: server.token })
      await writing.sync()
      expect(await rotate(writing, true)).toMatchObject({ value: { rotated: false } })
      expect(await rotate(writing)).toMatchObject({ value: { rotated: true } })
      await made.close()
    })
  })
