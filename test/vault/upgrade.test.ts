/** This release after the one before rotation, that one again, and both side by side, on one store and a real OpenBao. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { Answer, Instance, Platform, Settings, Workers } from '../support/releases.ts'
import { FIRST_KEY, SECOND_KEY, onLambda, onWorkers, settingsOf, unpackOld } from '../support/releases.ts'
import { keyString } from '../support/syncing.ts'
import type { FaultyProxy, VaultClient } from '../support/vault.ts'
import { faultyProxy, vaultClient } from '../support/vault.ts'

const NAMES = ['forth', 'lost', 'beside', 'sealed', 'stamped']
const TIMEOUT_MS = 240_000
const RELEASES = ['old', 'new'] as const
const vault = inject('openbao')

describe.skipIf(vault === null).each(['Lambda', 'Workers'] as const)('on %s', (where) => {
  const mount = `upgraded-${where.toLowerCase()}`
  let secrets: VaultClient
  let proxy: FaultyProxy
  let platform: Platform
  let workers: Workers
  let settings: Settings

  beforeAll(async () => {
    const { address, token } = vault ?? expect.unreachable()
    secrets = await vaultClient(address, token).mount(mount)
    proxy = await faultyProxy(address)
    settings = settingsOf(proxy.address, token, mount, NAMES)
    if (where === 'Lambda') platform = await onLambda(unpackOld(), settings)
    else platform = workers = await onWorkers(unpackOld(), settings)
  }, TIMEOUT_MS)
  afterAll(async () => {
    await platform?.close()
    await proxy?.close()
  })

  /** A keyring, and what is asked of it. @param versions that are at Vault to begin with. */
  async function ring(name: string, versions: number) {
    for (let version = 1; version <= versions; version += 1) await write(name, version)
    const on = (instance: Instance) => {
      const post = (operation: string, body: object = {}) => instance.call(`/keyrings/${name}/${operation}`, body)
      return {
        sync: () => post('sync'),
        rotate: () => post('rotate'),
        compromise: (id: string) => post('compromise', { id }),
        remove: (id: string) => post('remove', { id, force: true }),
        encrypt: async () => String((await good(post('encrypt', { plaintext: 'kept' }))).body['ciphertext']),
        mayEncrypt: () => post('encrypt', { plaintext: 'kept' }),
        decrypt: (ciphertext: string) => post('decrypt', { ciphertext }),
        shown: async () => (await good(instance.call(`/keyrings/${name}`))).body,
      }
    }
    const at = async (...deployed: Parameters<Platform['at']>) => on(await platform.at(...deployed))
    return {
      at,
      on,
      record: () => platform.record(name),
      current: async () => (await secrets.metadata(name)).current_version,
    }
  }
  const write = (name: string, version: number) =>
    secrets.write(name, { id: `key-${version}`, key: keyString(`${name} ${version}`) })

  it(
    'what this release has rotated, marked and removed outlives a way back, and this one goes on from there',
    async () => {
      const { at, record, current } = await ring('forth', 3)
      const before = await at('old', 'old')
      expect(await before.sync()).toMatchObject({ status: 204 })
      const first = await before.encrypt()

      const upgraded = await at('new', 'new')
      expect(await upgraded.decrypt(first)).toMatchObject({ status: 200, body: { plaintext: 'kept', key_id: 'key-3' } })
      const { body: rotated } = await good(upgraded.rotate())
      expect(rotated).toMatchObject({ rotated: true, version: 4 })
      await good(upgraded.compromise('key-1'))
      await good(upgraded.remove('key-2'))
      const second = await upgraded.encrypt()
      proxy.spoil(`POST /v1/${mount}/data/forth`, 'cut')
      expect(await upgraded.rotate()).toMatchObject(UNREACHED)
      const [{ intent }, { rotation }] = [await record(), await upgraded.shown()]
      expect(rotation).toMatchObject({ last: expect.any(String), last_error: UNREACHED.body })

      const back = await at('old', 'old')
      proxy.heal()
      expect(await back.decrypt(second)).toMatchObject({ status: 200, body: { key_id: rotated['active'] } })
      expect(await back.sync()).toMatchObject({ status: 204 })
      await good(back.compromise('key-3'))
      const states = { 'key-1': 'compromised', 'key-3': 'compromised', [String(rotated['active'])]: 'active' }
      expect(statesIn(await back.shown())).toEqual(states)
      expect((await back.decrypt(await back.encrypt())).body).toMatchObject({ key_id: rotated['active'] })
      expect((await record())['intent']).toEqual(intent)

      const again = await at('new', 'new')
      const shown = await again.shown()
      expect([shown['rotation'], statesIn(shown)]).toEqual([rotation, states])
      expect(await good(again.rotate())).toMatchObject({ body: { rotated: true, version: 5, active: idOf(intent) } })
      expect([await current(), (await record())['intent']]).toEqual([5, undefined])
      for (const value of [first, second]) expect(await again.decrypt(value)).toMatchObject({ status: 200 })
      expect((await again.shown())['rotation']).toMatchObject({ last_error: null })

      await write('forth', 2)
      const twice = await at('old', 'old')
      expect(await twice.sync()).toMatchObject({ status: 204 })
      expect(statesIn(await twice.shown())).toEqual({
        ...states,
        [String(rotated['active'])]: 'deactivated',
        [String(idOf(intent))]: 'active',
      })
    },
    TIMEOUT_MS,
  )

  it(
    'a rotation whose answer got lost is finished by the earlier release, and is one key',
    async () => {
      const { at, record, current } = await ring('lost', 1)
      const upgraded = await at('new', 'new')
      await good(upgraded.sync())
      proxy.spoil(`POST /v1/${mount}/data/lost`, 'lose')
      expect(await upgraded.rotate()).toMatchObject(UNREACHED)
      proxy.heal()
      const { intent } = await record()

      const back = await at('old', 'old')
      expect(await back.sync()).toMatchObject({ status: 204 })
      expect(await back.shown()).toMatchObject({ active: idOf(intent) })
      const value = await back.encrypt()

      const again = await at('new', 'new')
      expect(await good(again.rotate())).toMatchObject({ body: { rotated: true, version: 3 } })
      expect([await current(), (await record())['intent']]).toEqual([3, undefined])
      expect(await again.decrypt(value)).toMatchObject({ status: 200, body: { key_id: idOf(intent) } })
    },
    TIMEOUT_MS,
  )

  it(
    'instances and authorities of both releases, in every pair, read what the others wrote',
    async () => {
      const { at, current } = await ring('beside', 1)
      const values: string[] = []
      const warm: Awaited<ReturnType<typeof at>>[] = []
      for (const authority of [...RELEASES, 'old'] as const)
        for (const instance of RELEASES) {
          const beside = await at(instance, authority)
          warm.push(beside)
          if (authority === 'new' && instance === 'new') await good(beside.rotate())
          else await write('beside', (await current()) + 1)
          expect(await beside.sync()).toMatchObject({ status: 204 })
          values.push(await beside.encrypt())
          const answers = await Promise.all(values.map((value) => beside.decrypt(value)))
          expect(answers.map(({ status }) => status)).toEqual(values.map(() => 200))
          expect(answers.at(-1)?.body['key_id']).toBe((await beside.shown())['active'])
        }
      expect(await current()).toBe(7)
      // A deployment of a Worker ends its isolates; on Lambda those of before go on.
      for (const beside of where === 'Lambda' ? warm : [])
        expect(await beside.decrypt(values.at(-1) ?? '')).toMatchObject({ status: 200 })
    },
    TIMEOUT_MS,
  )

  it(
    'a new instance whose authority is of the earlier release hears that it cannot rotate, and takes 404 for its word',
    async () => {
      const { at } = await ring('stamped', 1)
      const beside = await at('new', 'old')
      await good(beside.sync())
      const value = await beside.encrypt()
      expect(await beside.rotate()).toMatchObject({ body: { code: 'ERR_REQUEST_INVALID' } })
      expect(await beside.decrypt(value.replace('key-1', 'key-9'))).toMatchObject({
        status: 404,
        body: { code: 'ERR_KEY_NOT_FOUND' },
      })
    },
    TIMEOUT_MS,
  )

  it(
    'a rotation that has begun goes on after the earlier release has sealed the record under another wrapping key',
    async () => {
      const { at, record, current } = await ring('sealed', 2)
      const upgraded = await at('new', 'new')
      await good(upgraded.sync())
      proxy.spoil(`POST /v1/${mount}/data/sealed`, 'cut')
      expect(await upgraded.rotate()).toMatchObject(UNREACHED)
      proxy.heal()
      const reordered = { KEYRING_WRAPPING_KEYS: `${SECOND_KEY},${FIRST_KEY}` }
      const back = await at('old', 'old', reordered)
      await good(back.compromise('key-1'))
      expect(Object.keys((await record())['checks'] as object)).toEqual(['w1', 'w2'])
      const again = await at('new', 'new', reordered)
      await good(again.rotate())
      expect([await current(), (await record())['intent']]).toEqual([3, undefined])
    },
    TIMEOUT_MS,
  )

  it(
    'the earlier release refuses a setting of this one, by name',
    async () => {
      const back = await platform.at('old', 'old', { KEYRING_ROTATION: '30d' })
      const answer = await back.call('/keyrings/forth/sync', {})
      expect(answer).toMatchObject({ status: 503, body: { code: 'ERR_CONFIG_INVALID' } })
    },
    TIMEOUT_MS,
  )

  if (where === 'Workers')
    it(
      'without a stamp a new isolate encrypts on the word of the earlier object, and without that it decrypts alone',
      async () => {
        const { at, on } = await ring('stamped', 1)
        const beside = await at('new', 'old')
        await good(beside.sync())
        const value = await beside.encrypt()
        expect(await workers.stamp('stamped')).toBeNull()
        const cut = on(await workers.alone('new'))
        expect(await cut.mayEncrypt()).toMatchObject({ status: 503, body: { code: 'ERR_SNAPSHOT_STALE' } })
        expect(await cut.decrypt(value)).toMatchObject({ status: 200, warning: 'ERR_AUTHORITY_UNAVAILABLE' })

        const upgraded = await platform.at('new', 'new')
        await upgraded.schedule()
        expect(await workers.stamp('stamped')).not.toBeNull()
        expect(await on(await workers.alone('new')).mayEncrypt()).toMatchObject({ status: 200, warning: null })
      },
      TIMEOUT_MS,
    )
})

/** Where there is undici, a connection that is cut has a code of its own. */
const UNREACHED = { status: 502, body: { code: expect.stringMatching(/^ERR_VAULT_UN(REACHABLE|AVAILABLE)$/) } }

const statesIn = (shown: Answer['body']) =>
  Object.fromEntries((shown['keys'] as { id: string; state: string }[]).map(({ id, state }) => [id, state]))

const idOf = (intent: unknown): unknown => (intent as { id: unknown }).id

async function good(answer: Promise<Answer>): Promise<Answer> {
  const { status, body } = await answer
  expect([status, body]).toEqual([expect.toSatisfy((code: number) => code < 300), body])
  return answer
}
