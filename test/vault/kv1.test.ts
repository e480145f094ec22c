/** KV version 1 as the source: versions are secrets named by numbers. The dev Vault and a real OpenBao, through a proxy that counts. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { keyString, syncing } from '../support/syncing.ts'
import type { FaultyProxy, VaultClient, VaultServer } from '../support/vault.ts'
import { FAULTS, faultyProxy, vaultClient, vaultTargets } from '../support/vault.ts'

const pair = (id: string) => ({ id, key: keyString(id) })

for (const target of vaultTargets())
  describe.skipIf(!target.isAvailable)(`a sync from KV version 1 of ${target.name}`, () => {
    let server: VaultServer
    let root: VaultClient
    let proxy: FaultyProxy
    let number = 0

    beforeAll(async () => {
      server = await target.open()
      root = vaultClient(server.address, server.token)
      await root.mount('plain/keys', 1)
      await root.mount('versioned')
      proxy = await faultyProxy(server.address)
    })
    afterAll(async () => {
      await proxy.close()
      await server.close()
    })

    const must = async (method: string, path: string, body?: object) => {
      const { status } = await root.request(method, path, { body })
      if (status >= 300) throw new Error(`${method} ${path} answered ${status}`)
    }
    const write = (path: string, version: number | string, data: object) =>
      must('POST', `plain/keys/${path}/${version}`, data)
    const remove = (path: string, version: number) => must('DELETE', `plain/keys/${path}/${version}`)

    const settings = (path: string, more: Record<string, string> = {}) => ({
      KEYRING_VAULT_HOST: proxy.address,
      KEYRING_VAULT_TOKEN: server.token,
      KEYRING_VAULT_KV: 'v1',
      KEYRING_VAULT_MOUNT: 'plain/keys',
      KEYRING_VAULT_PATH: path,
      ...more,
    })

    /** A keyring of its own, on a folder with these ids as versions 1, 2… */
    async function fresh(ids: readonly string[], more: Record<string, string> = {}) {
      proxy.heal()
      number += 1
      const path = `team/ring-${number}`
      for (const [index, id] of ids.entries()) await write(path, index + 1, pair(id))
      const on = await syncing(settings(path, more))
      proxy.seen.length = 0
      return { ...on, path }
    }
    const notes = async (on: Awaited<ReturnType<typeof fresh>>, more = {}) =>
      (await on.sync(more)).notes.map(({ code, version }) => `${code} ${version}`)

    it('reads every number once, the highest is active, and costs one request when nothing is new', async () => {
      const on = await fresh(Array.from({ length: 11 }, (_, index) => `key-${index + 1}`))
      expect(await on.sync()).toMatchObject({ changed: true, requests: 12, notes: [] })
      expect(proxy.seen).toHaveLength(12)
      expect((await on.shown()).active).toBe('key-11')
      proxy.seen.length = 0
      expect(await on.sync()).toMatchObject({ changed: false, requests: 1 })
      expect(proxy.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
        `GET /v1/plain/keys/${on.path}?list=true`,
      ])
      expect((await on.keyring.record())?.source).toEqual({
        kind: 'kv1',
        address: proxy.address,
        namespace: '',
        mount: 'plain/keys',
        path: on.path,
      })
    })

    it('follows a new number, and leaves other names and folders alone', async () => {
      const on = await fresh(['a'])
      await on.sync()
      await write(on.path, 2, pair('b'))
      await write(on.path, 'notes', { text: 'x' })
      await write(on.path, '2/deeper', { text: 'x' })
      expect(await notes(on)).toEqual([])
      expect(await on.shown()).toMatchObject({ ids: ['a', 'b'], active: 'b' })
    })

    it('keeps the keys of numbers that were deleted below the highest, and shows them as destroyed', async () => {
      const on = await fresh(['a', 'b', 'c'])
      await on.sync()
      await remove(on.path, 1)
      await remove(on.path, 2)
      expect(await notes(on)).toEqual([])
      expect(await on.shown()).toEqual({
        ids: ['a', 'b', 'c'],
        active: 'c',
        sources: ['destroyed', 'destroyed', 'present'],
      })
      await write(on.path, 1, pair('a'))
      await on.sync()
      expect((await on.shown()).sources).toEqual(['present', 'destroyed', 'present'])
    })

    it('counts numbers that were gone before they were read as lost', async () => {
      const on = await fresh([])
      await write(on.path, 3, pair('c'))
      await on.sync()
      expect(await on.keyring.status()).toMatchObject({ lost: 2, active: 'c' })
    })

    it('does not go back when the highest number is gone: an old answer of a standby looks the same', async () => {
      const on = await fresh(['a', 'b'])
      await on.sync()
      await remove(on.path, 2)
      expect(await notes(on)).toEqual(['source-behind 1'])
      expect(await on.shown()).toMatchObject({ ids: ['a', 'b'], active: 'b' })
      await write(on.path, 3, pair('c'))
      expect(await notes(on)).toEqual([])
      expect(await on.shown()).toEqual({
        ids: ['a', 'b', 'c'],
        active: 'c',
        sources: ['present', 'destroyed', 'present'],
      })
    })

    it('goes back when forced, and then reads a number that comes again', async () => {
      const on = await fresh(['a', 'b'])
      await on.sync()
      await remove(on.path, 2)
      expect(await notes(on, { force: true })).toEqual([])
      expect(await on.shown()).toEqual({ ids: ['a', 'b'], active: 'a', sources: ['present', 'detached'] })
      await write(on.path, 2, pair('another'))
      expect(await notes(on)).toEqual([])
      expect(await on.shown()).toEqual({
        ids: ['a', 'b', 'another'],
        active: 'another',
        sources: ['present', 'detached', 'present'],
      })
    })

    it('takes an emptied folder for no source, and keeps its keys', async () => {
      const on = await fresh(['a'])
      await on.sync()
      await remove(on.path, 1)
      expect(await on.refusal()).toMatchObject({ code: 'ERR_SOURCE_NOT_FOUND' })
      expect(await on.shown()).toMatchObject({ ids: ['a'], active: 'a' })
    })

    it('names what is malformed, and keeps the active key', async () => {
      const on = await fresh(['a'])
      await on.sync()
      await write(on.path, 2, { id: 'b' })
      expect(await notes(on)).toEqual(['version-malformed 2', 'active-unusable 2'])
      expect((await on.shown()).active).toBe('a')
    })

    it('applies nothing when one of several numbers cannot be read', async () => {
      const on = await fresh(['a'])
      await on.sync()
      await write(on.path, 2, pair('b'))
      await write(on.path, 3, pair('c'))
      proxy.spoil(/\/2$/, FAULTS.error(500, 'internal error'))
      expect(await on.refusal()).toMatchObject({ code: 'ERR_VAULT_UNAVAILABLE' })
      expect(await on.shown()).toMatchObject({ ids: ['a'], active: 'a' })
    })

    it('tells a number that vanished between the list and the read', async () => {
      const on = await fresh(['a', 'b', 'c'])
      proxy.spoil(/\/2$/, FAULTS.error(404), 1)
      expect(await notes(on)).toEqual(['version-lost 2'])
    })

    describe('is refused', () => {
      it('on one plain secret, with a remedy that says how to lay it out', async () => {
        const on = await fresh([])
        await must('POST', `plain/keys/${on.path}`, pair('a'))
        const { code, message, remedy } = await on.refusal()
        expect([code, message]).toEqual([
          'ERR_VAULT_KV_LAYOUT',
          `plain/keys/${on.path} is one secret, without versions.`,
        ])
        expect(remedy).toContain(`plain/keys/${on.path}/1, then plain/keys/${on.path}/2`)
        await write(on.path, 1, pair('a'))
        expect(await notes(on)).toEqual([])
      })

      it.each(['0', '01', '100000', '20260131'])('on a number such as %s', async (name) => {
        const on = await fresh(['a'])
        await write(on.path, name, pair('b'))
        expect(await on.refusal()).toMatchObject({ code: 'ERR_VAULT_KV_LAYOUT' })
      })

      it('where there is nothing', async () => {
        expect(await (await fresh([])).refusal()).toMatchObject({ code: 'ERR_SOURCE_NOT_FOUND' })
      })

      it('on a mount of version 2, and version 2 on one of version 1: each remedy names the setting', async () => {
        const newer = await fresh([], { KEYRING_VAULT_MOUNT: 'versioned' })
        expect(await newer.refusal()).toMatchObject({
          code: 'ERR_VAULT_KV_VERSION',
          remedy: expect.stringContaining('KEYRING_VAULT_KV=v2'),
        })
        const older = await fresh(['a'], { KEYRING_VAULT_KV: 'v2' })
        expect(await older.refusal()).toMatchObject({
          code: 'ERR_VAULT_KV_VERSION',
          remedy: expect.stringContaining('KEYRING_VAULT_KV=v1'),
        })
      })

      it('where the token fits the other version: the setting is named, not a right', async () => {
        const { path } = await fresh(['a'])
        await vaultClient(server.address, server.token, 'versioned').write(path, pair('a'))
        const forNewer = await root.tokenFor(
          `path "versioned/metadata/${path}" { capabilities = ["read"] }\npath "versioned/data/${path}" { capabilities = ["read"] }`,
        )
        const newer = { KEYRING_VAULT_MOUNT: 'versioned', KEYRING_VAULT_TOKEN: forNewer }
        expect(await (await syncing(settings(path, newer))).refusal()).toMatchObject({
          code: 'ERR_VAULT_KV_VERSION',
          remedy: expect.stringContaining('KEYRING_VAULT_KV=v2 ("kv" in KEYRINGS)'),
        })
        const forOlder = await root.tokenFor(
          `path "plain/keys/${path}" { capabilities = ["list"] }\npath "plain/keys/${path}/*" { capabilities = ["read"] }`,
        )
        const older = { KEYRING_VAULT_KV: 'v2', KEYRING_VAULT_TOKEN: forOlder }
        expect(await (await syncing(settings(path, older))).refusal()).toMatchObject({
          code: 'ERR_VAULT_KV_VERSION',
          remedy: expect.stringContaining('KEYRING_VAULT_KV=v1 ("kv" in KEYRINGS)'),
        })
      })

      it('when the token may not list, with what it needs', async () => {
        const { path } = await fresh(['a'])
        const token = await root.tokenFor('path "plain/keys/*" { capabilities = ["read"] }')
        const on = await syncing(settings(path, { KEYRING_VAULT_TOKEN: token }))
        expect(await on.refusal()).toMatchObject({
          code: 'ERR_VAULT_DENIED',
          remedy: expect.stringContaining(`path "plain/keys/${path}" { capabilities = ["list"] }`),
        })
      })
    })

    it('follows KV version 2 when it is adopted, and keeps the earlier keys', async () => {
      const store = memoryStore()
      const { path } = await fresh(['b'])
      await vaultClient(server.address, server.token, 'versioned').write(path, pair('a'))
      const before = await syncing(settings(path, { KEYRING_VAULT_KV: 'v2', KEYRING_VAULT_MOUNT: 'versioned' }), store)
      await before.sync()
      const after = await syncing(settings(path), store)
      expect(await after.refusal()).toMatchObject({ code: 'ERR_SOURCE_CHANGED' })
      await after.sync({ adopt: true })
      expect(await after.shown()).toEqual({ ids: ['a', 'b'], active: 'b', sources: ['detached', 'present'] })
    })

    it('is read with the least that a token needs: list on the folder, read below it', async () => {
      const { path } = await fresh(['a'])
      const token = await root.tokenFor(
        `path "plain/keys/${path}" { capabilities = ["list"] }\npath "plain/keys/${path}/*" { capabilities = ["read"] }`,
      )
      const on = await syncing(settings(path, { KEYRING_VAULT_TOKEN: token }))
      expect((await on.sync()).notes).toEqual([])
    })

    it('can be one keyring of several, beside one of version 2', async () => {
      const { path } = await fresh(['old'])
      const versioned = vaultClient(server.address, server.token, 'versioned')
      await versioned.write('new', pair('new'))
      const on = await syncing({
        ...settings('new', { KEYRING_VAULT_KV: 'v2', KEYRING_VAULT_MOUNT: 'versioned' }),
        KEYRINGS: JSON.stringify([{ name: 'older', kv: 'v1', mount: 'plain/keys', path }]),
      })
      await on.sync()
      expect(await on.authority.sync('older', { force: false, adopt: false, token: null })).toMatchObject({ ok: true })
      expect(await on.shown()).toMatchObject({ ids: ['new'] })
    })
  })
