/** The way from a Vault, real or not, into the record: bad input and faults. The last good keyring stays in service. */
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KeyringError } from '../../src/core/errors.ts'
import type { ErrorData } from '../../src/core/errors.ts'
import type { SyncNote } from '../../src/core/operations.ts'
import type { Clock, SharedStore } from '../../src/core/ports.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import type { Syncing } from '../support/syncing.ts'
import { syncing } from '../support/syncing.ts'
import type { FaultyProxy, VaultClient, VaultServer } from '../support/vault.ts'
import { FAULTS, faultyProxy, vaultClient, vaultTargets } from '../support/vault.ts'

const CANARY = 'canary-key-string-that-nobody-may-see-0123456789'
const key = (name: string): string => `${name} ${CANARY}`
const pair = (id: string) => ({ id, key: key(id) })
const PLAIN = { force: false, adopt: false, token: null }

/** Waits take no time; how long they would have been is kept. */
function quickClock(): Clock & { waits: number[] } {
  const waits: number[] = []
  return { waits, now: () => Date.now(), sleep: async (ms) => void waits.push(ms) }
}

interface Setup extends Syncing {
  readonly clock: Clock & { waits: number[] }
}

async function setup(
  address: string,
  token: string,
  more: Record<string, string> = {},
  store?: SharedStore,
): Promise<Setup> {
  const settings = { KEYRING_VAULT_HOST: address, KEYRING_VAULT_MOUNT: 'faults', KEYRING_VAULT_TOKEN: token }
  const clock = quickClock()
  return { ...(await syncing({ ...settings, KEYRING_VAULT_TIMEOUT_MS: '300', ...more }, store, clock)), clock }
}

for (const target of vaultTargets())
  describe.skipIf(!target.isAvailable)(`a sync from ${target.name}`, () => {
    let server: VaultServer
    let secrets: VaultClient
    let proxy: FaultyProxy
    let secretNumber = 0

    beforeAll(async () => {
      server = await target.open()
      secrets = await vaultClient(server.address, server.token).mount('faults')
      await vaultClient(server.address, server.token).mount('old', 1)
      proxy = await faultyProxy(server.address)
    })
    afterAll(async () => {
      await proxy.close()
      await server.close()
    })

    /** A keyring on a secret of its own, through the proxy. */
    async function fresh(
      versions: readonly Record<string, unknown>[] = [],
      more: Record<string, string> = {},
      token = server.token,
    ) {
      proxy.heal()
      secretNumber += 1
      const path = `ring-${secretNumber}`
      for (const version of versions) await secrets.write(path, version)
      const made = await setup(proxy.address, token, { KEYRING_VAULT_PATH: path, ...more })
      proxy.seen.length = 0
      return { ...made, path }
    }

    async function refused({ authority }: Setup, expected: string, options = PLAIN): Promise<ErrorData> {
      const result = await authority.sync('default', options)
      if (result.ok) return expect.unreachable('the sync should have failed')
      expect(result.error.code).toBe(expected)
      expect(result.error.message).toMatch(/^[A-Z].*\.$/)
      expect(result.error.remedy).toMatch(/\w.*\.$/)
      for (const shown of [inspect(result, { depth: 9 }), JSON.stringify(result)]) {
        expect(shown).not.toContain(CANARY)
        expect(shown).not.toContain(server.token.length > 8 ? server.token : 'X-Vault-Token: root')
      }
      return result.error
    }

    const notes = async ({ authority }: Setup): Promise<string[]> => {
      const result = await authority.sync('default', PLAIN)
      if (!result.ok) throw new Error(inspect(result.error))
      return result.value.notes.map(({ code, version }: SyncNote) => `${code} ${version}`)
    }
    const shown = async ({ keyring }: Setup) => {
      const record = await keyring.record()
      return { ids: record?.keys.map(({ id }) => id) ?? [], active: record?.active ?? null }
    }

    describe('costs', () => {
      it('N + 1 requests the first time, at most 6 at a time, and exactly 1 when nothing is new', async () => {
        const on = await fresh(Array.from({ length: 9 }, (_, index) => pair(`key-${index}`)))
        await on.authority.sync('default', PLAIN)
        expect(proxy.seen).toHaveLength(10)
        expect(proxy.mostAtOnce).toBeLessThanOrEqual(6)
        proxy.seen.length = 0
        await on.authority.sync('default', PLAIN)
        expect(proxy.seen.map(({ path }) => path)).toEqual([`/v1/faults/metadata/${on.path}`])
        expect(proxy.seen[0]?.headers).toMatchObject({ 'x-vault-request': 'true', 'x-vault-token': server.token })
      })
    })

    describe('bad content', () => {
      it.each<[string, Record<string, unknown>, string]>([
        ['no id', { key: key('x') }, 'no-id'],
        ['an empty id', { id: '', key: key('x') }, 'no-id'],
        ['an id with a slash', { id: 'a/b', key: key('x') }, 'bad-id'],
        ['an id of 65 characters', { id: 'a'.repeat(65), key: key('x') }, 'bad-id'],
        ['an id that is a number', { id: 7, key: key('x') }, 'bad-id'],
        ['no key', { id: 'x' }, 'no-key'],
        ['a key that is no string', { id: 'x', key: 7 }, 'key-not-string'],
      ])('of the current version (%s) leaves the active key as it was', async (_name, data, why) => {
        const on = await fresh([pair('good'), data])
        await refused(on, 'ERR_ACTIVE_UNUSABLE')
        expect((await on.keyring.record())?.skipped).toEqual([{ v: 2, why }])
        await secrets.write(on.path, pair('next'))
        expect(await notes(on)).toEqual([])
        await secrets.write(on.path, data)
        expect(await notes(on)).toEqual(['version-malformed 4', 'active-unusable 4'])
        expect(await shown(on)).toEqual({ ids: ['good', 'next'], active: 'next' })
      })

      it('in one bad answer heals: a forced sync reads the version anew', async () => {
        const on = await fresh([pair('a')])
        await notes(on)
        await secrets.write(on.path, pair('b'))
        const { body } = await secrets.request('GET', `faults/data/${on.path}?version=2`)
        const bad = JSON.parse(JSON.stringify(body)) as { data: { data: unknown } }
        bad.data.data = { id: 'b' }
        proxy.spoil('version=2', { status: 200, body: JSON.stringify(bad) }, 1)
        expect(await notes(on)).toEqual(['version-malformed 2', 'active-unusable 2'])
        expect(await notes(on)).toEqual(['active-unusable 2'])
        expect(await on.authority.sync('default', { ...PLAIN, force: true })).toMatchObject({ ok: true })
        expect(await shown(on)).toEqual({ ids: ['a', 'b'], active: 'b' })
      })

      it('does not stand in an id with a dash, a dot or a tilde', async () => {
        const on = await fresh([pair('a-b.c~d_e')])
        expect(await notes(on)).toEqual([])
        const { ciphertext } = await on.keyring.encrypt(new Uint8Array([1]), new Uint8Array())
        expect((await on.keyring.decrypt(ciphertext, new Uint8Array())).keyId).toBe('a-b.c~d_e')
      })

      it('is an id that repeats with another key; with the same key it is one key', async () => {
        const on = await fresh([pair('a'), pair('b'), pair('a'), { id: 'b', key: key('other') }])
        expect((await refused(on, 'ERR_ACTIVE_UNUSABLE')).message).toMatch(/has the id of another key/)
        expect((await on.keyring.record())?.keys.map(({ id, v }) => [id, v])).toEqual([
          ['a', [1, 3]],
          ['b', [2]],
        ])
      })
    })

    describe('versions that go', () => {
      it('keep their keys: deleted, destroyed and undeleted', async () => {
        const on = await fresh([pair('a'), pair('b'), pair('c')])
        await notes(on)
        await secrets.remove(on.path, 1)
        await secrets.destroy(on.path, 2)
        await notes(on)
        expect((await on.keyring.status()).keys.map(({ source }) => source)).toEqual([
          'deleted',
          'destroyed',
          'present',
        ])
        await secrets.undelete(on.path, 1)
        await notes(on)
        expect((await on.keyring.status()).keys.map(({ source }) => source)).toEqual([
          'present',
          'destroyed',
          'present',
        ])
      })

      it('leave the active key as it was when the current one is deleted', async () => {
        const on = await fresh([pair('a'), pair('b')])
        await notes(on)
        await secrets.remove(on.path)
        expect(await notes(on)).toEqual(['active-unusable 2'])
        expect(await shown(on)).toEqual({ ids: ['a', 'b'], active: 'b' })
      })

      it('are shown as pruned when held, and counted as lost when not', async () => {
        const on = await fresh([pair('a')])
        await notes(on)
        for (let version = 2; version <= 13; version += 1) await secrets.write(on.path, pair(`v${version}`))
        await notes(on)
        const status = await on.keyring.status()
        expect([status.keys[0]?.source, status.lost, status.active]).toEqual(['pruned', 2, 'v13'])
      })

      it('are refused when the whole secret was deleted, and when it was made again', async () => {
        const on = await fresh([pair('a'), pair('b')])
        await notes(on)
        await secrets.deleteMetadata(on.path)
        await refused(on, 'ERR_SOURCE_NOT_FOUND')
        await secrets.write(on.path, pair('anew'))
        await refused(on, 'ERR_SOURCE_RECREATED')
        expect(await shown(on)).toEqual({ ids: ['a', 'b'], active: 'b' })
        expect(await on.authority.sync('default', { ...PLAIN, force: true })).toMatchObject({ ok: true })
        expect(await shown(on)).toEqual({ ids: ['a', 'b', 'anew'], active: 'anew' })
      })
    })

    describe('another source', () => {
      it('is refused, and adopted when told', async () => {
        const store = memoryStore()
        const { path } = await fresh([pair('a')])
        const one = await setup(proxy.address, server.token, { KEYRING_VAULT_PATH: path }, store)
        await notes(one)
        await secrets.write(`${path}-other`, pair('z'))
        const other = await setup(proxy.address, server.token, { KEYRING_VAULT_PATH: `${path}-other` }, store)
        await refused(other, 'ERR_SOURCE_CHANGED')
        expect(await other.authority.sync('default', { ...PLAIN, adopt: true })).toMatchObject({ ok: true })
        expect(await shown(other)).toEqual({ ids: ['a', 'z'], active: 'z' })
      })

      it('behind the same name is noticed: the secret was made at another time', async () => {
        const on = await fresh([pair('a')])
        await notes(on)
        const second = await vaultTargets()[0].open()
        const elsewhere = await vaultClient(second.address, second.token).mount('faults')
        await elsewhere.write(on.path, pair('z'))
        const { target: home } = proxy
        proxy.target = second.address
        await refused(on, server.token === second.token ? 'ERR_SOURCE_RECREATED' : 'ERR_VAULT_DENIED')
        proxy.target = home
        await second.close()
        expect(await shown(on)).toEqual({ ids: ['a'], active: 'a' })
      })

      it('of KV version 1 is named as such', async () => {
        await refused(await fresh([], { KEYRING_VAULT_MOUNT: 'old' }), 'ERR_VAULT_KV_VERSION')
      })

      it('that does not exist is named: mount, path, token', async () => {
        await refused(await fresh([], { KEYRING_VAULT_MOUNT: 'nowhere' }), 'ERR_VAULT_MOUNT_NOT_FOUND')
        await refused(await fresh([]), 'ERR_SOURCE_NOT_FOUND')
        await refused(await fresh([pair('a')], {}, 'not-a-live-token'), 'ERR_VAULT_DENIED')
      })

      it('is read with the least that a token needs: read on metadata and data', async () => {
        const { path } = await fresh([pair('a')])
        const token = await secrets.tokenFor(
          `path "faults/metadata/${path}" { capabilities = ["read"] }\npath "faults/data/${path}" { capabilities = ["read"] }`,
        )
        expect(await notes(await setup(proxy.address, token, { KEYRING_VAULT_PATH: path }))).toEqual([])
        const blind = await secrets.tokenFor(`path "faults/data/${path}" { capabilities = ["read"] }`)
        await refused(await setup(proxy.address, blind, { KEYRING_VAULT_PATH: path }), 'ERR_VAULT_DENIED')
      })
    })

    describe('faults', () => {
      const held = async () => {
        const on = await fresh([pair('a')])
        await notes(on)
        proxy.seen.length = 0
        return on
      }

      it.each([
        ['plain http to a TLS port', FAULTS.plainHttpToTls, 'ERR_VAULT_PLAINTEXT_TO_TLS', 1],
        ['a page that is not JSON', FAULTS.html, 'ERR_VAULT_ANSWER_INVALID', 1],
        ['an answer that is cut off', FAULTS.cutOffJson, 'ERR_VAULT_ANSWER_INVALID', 1],
        ['JSON that is not of the API', { status: 200, body: '{"data":{}}' }, 'ERR_VAULT_ANSWER_INVALID', 1],
        ['a hang', 'hang', 'ERR_VAULT_TIMEOUT', 1],
        ['a cut connection', 'cut', 'ERR_VAULT_UNREACHABLE', 3],
        ['a sealed Vault', FAULTS.error(503, 'Vault is sealed'), 'ERR_VAULT_SEALED', 1],
        ['an error of the server', FAULTS.error(500, 'internal error'), 'ERR_VAULT_UNAVAILABLE', 3],
        ['429 without Retry-After', FAULTS.rateLimited(), 'ERR_VAULT_RATE_LIMITED', 3],
        ['429 with a long Retry-After', FAULTS.rateLimited('3600'), 'ERR_VAULT_RATE_LIMITED', 1],
        ['a redirect to another host', FAULTS.redirect('http://127.0.0.1:9/v1/x'), 'ERR_VAULT_REDIRECTED', 1],
        ['an unknown namespace', FAULTS.error(404, 'namespace not found'), 'ERR_VAULT_NAMESPACE_NOT_FOUND', 1],
        [
          'a body that is too large',
          { status: 200, body: `{"data":"${'x'.repeat(4 * 1024 * 1024)}"}` },
          'ERR_VAULT_ANSWER_INVALID',
          1,
        ],
      ] as const)('%s: a code, and the last good keyring stays', async (_name, fault, code, requests) => {
        const on = await held()
        proxy.spoil('/metadata/', fault)
        await refused(on, code)
        expect(proxy.seen).toHaveLength(requests)
        expect(on.clock.waits.every((ms) => ms >= 1000 && ms <= 1500)).toBe(true)
        expect(await shown(on)).toEqual({ ids: ['a'], active: 'a' })
        expect((await on.keyring.status()).last_error).toMatchObject({ code, failures: 1 })
        proxy.heal()
        expect(await notes(on)).toEqual([])
        expect((await on.keyring.status()).last_error).toBeNull()
      })

      it('a short Retry-After is waited for', async () => {
        const on = await held()
        proxy.spoil('/metadata/', FAULTS.rateLimited('3'), 1)
        expect(await notes(on)).toEqual([])
        expect(on.clock.waits).toHaveLength(1)
        expect(on.clock.waits[0]).toBeGreaterThanOrEqual(3000)
      })

      it('nobody listening: a code at once, a remedy', async () => {
        const closed = await faultyProxy(server.address)
        await closed.close()
        const error = await refused(await setup(closed.address, server.token), 'ERR_VAULT_UNREACHABLE')
        expect(error.facts).toMatchObject({ step: 'connect', reason: 'ECONNREFUSED' })
      })

      it('one version of many that cannot be read: nothing is applied', async () => {
        const on = await held()
        await secrets.write(on.path, pair('b'))
        await secrets.write(on.path, pair('c'))
        proxy.spoil('version=2', FAULTS.error(500, 'internal error'))
        await refused(on, 'ERR_VAULT_UNAVAILABLE')
        expect(await shown(on)).toEqual({ ids: ['a'], active: 'a' })
      })

      it('one late of many: whole batches before it are kept, and the next sync reads the rest alone', async () => {
        const on = await fresh([])
        await secrets.request('POST', `faults/metadata/${on.path}`, { body: { max_versions: 60 } })
        for (let version = 1; version <= 45; version += 1) await secrets.write(on.path, pair(`v${version}`))
        proxy.spoil('version=44', FAULTS.error(500, 'internal error'))
        await refused(on, 'ERR_VAULT_UNAVAILABLE')
        const { ids, active } = await shown(on)
        expect([ids.length, active]).toEqual([40, 'v45'])
        proxy.heal()
        proxy.seen.length = 0
        expect(await notes(on)).toEqual([])
        expect(proxy.seen).toHaveLength(6)
        expect((await shown(on)).ids).toHaveLength(45)
      })

      it('a record with room for the current version alone: that one gets in, and the rest is named', async () => {
        const inner = memoryStore()
        const limited: SharedStore = {
          ...inner,
          put: async (name, bytes, expected) => {
            if (name.startsWith('keyring/') && bytes.length > 1000)
              throw new KeyringError('ERR_RECORD_TOO_LARGE', 'The record would be too large.')
            return inner.put(name, bytes, expected)
          },
        }
        const { path } = await fresh(['a', 'b', 'c', 'd', 'e'].map(pair))
        const on = await setup(proxy.address, server.token, { KEYRING_VAULT_PATH: path }, limited)
        expect((await refused(on, 'ERR_RECORD_TOO_LARGE')).facts).toMatchObject({ leftOut: 4 })
        expect(await shown(on)).toEqual({ ids: ['e'], active: 'e' })
      })

      it('a standby that answers with older metadata: the active key does not go back', async () => {
        const on = await held()
        await secrets.write(on.path, pair('b'))
        const path = `/v1/faults/metadata/${on.path}`
        const stale = await secrets.request('GET', path.slice('/v1/'.length))
        await notes(on)
        const older = JSON.parse(JSON.stringify(stale.body)) as {
          data: { current_version: number; versions: Record<string, unknown> }
        }
        older.data.current_version = 1
        delete older.data.versions['2']
        proxy.spoil('/metadata/', { status: 200, body: JSON.stringify(older) })
        expect(await notes(on)).toEqual(['source-behind 1'])
        expect(await shown(on)).toEqual({ ids: ['a', 'b'], active: 'b' })
      })

      /** The metadata as they are, with these fields changed. */
      const spoilt = async (path: string, fields: object, versions: object) => {
        const { body } = await secrets.request('GET', `faults/metadata/${path}`)
        const bad = JSON.parse(JSON.stringify(body)) as { data: { versions: object } }
        Object.assign(bad.data, fields)
        Object.assign(bad.data.versions, versions)
        proxy.spoil('/metadata/', { status: 200, body: JSON.stringify(bad) }, 1)
      }

      it.each([7, 1_000_000_000, 2.5, -1, 0])(
        'a current version that is not listed (%s) is refused',
        async (current) => {
          const on = await held()
          await spoilt(on.path, { current_version: current }, {})
          await refused(on, 'ERR_VAULT_ANSWER_INVALID')
          await secrets.write(on.path, pair('b'))
          expect(await notes(on)).toEqual([])
          expect(await shown(on)).toEqual({ ids: ['a', 'b'], active: 'b' })
        },
      )

      it('one bad answer that had to be believed does not stop the rotations after it', async () => {
        const on = await held()
        const deleted = {
          created_time: '2026-11-22T05:04:05Z',
          deletion_time: '2026-11-22T05:04:06Z',
          destroyed: false,
        }
        await spoilt(on.path, { current_version: 7 }, { 7: deleted })
        expect(await notes(on)).toEqual(['active-unusable 7'])
        await secrets.write(on.path, pair('b'))
        expect(await notes(on)).toEqual([])
        expect(await shown(on)).toEqual({ ids: ['a', 'b'], active: 'b' })
        expect((await on.keyring.status()).needed).toEqual([])
      })

      it('the token goes to no other host', async () => {
        const on = await held()
        const thief = await faultyProxy(server.address)
        proxy.spoil('/metadata/', FAULTS.redirect(`${thief.address}/v1/faults/metadata/${on.path}`))
        await refused(on, 'ERR_VAULT_REDIRECTED')
        expect(thief.seen).toEqual([])
        await thief.close()
      })
    })

    describe.each(['..', '.', '%2e%2e', '%2E%2E/x', 'a/../b', 'a%2f..%2fb', 'a\\b', 'a//b', 'a\nb'])(
      'a mount or path %j',
      (hostile) => {
        it.each(['KEYRING_VAULT_MOUNT', 'KEYRING_VAULT_PATH'])(
          'is refused as %s before anything is asked',
          async (name) => {
            proxy.seen.length = 0
            await expect(setup(proxy.address, server.token, { [name]: hostile })).rejects.toThrow(name)
            expect(proxy.seen).toEqual([])
          },
        )
      },
    )

    it('says that Vault is sealed when it really is', async () => {
      const on = await fresh([pair('a')])
      await notes(on)
      await secrets.seal()
      await refused(on, 'ERR_VAULT_SEALED')
      expect(await shown(on)).toEqual({ ids: ['a'], active: 'a' })
      await secrets.unseal(server.unsealKey)
      expect(await notes(on)).toEqual([])
    })
  })
