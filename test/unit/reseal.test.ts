/** A new wrapping key is rolled out: each step is safe beside instances of the step before, and sealing anew may stop anywhere. */
import { describe, expect, it } from 'vitest'
import { KeyringError, unwrap } from '../../src/core/errors.ts'
import type { RecordStore, SharedStore } from '../../src/core/ports.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world, wrappingKey } from '../support/authority.ts'
import { FakeVault, instance } from '../support/fake-vault.ts'

const utf8 = new TextEncoder()
const text = (value: { plaintext: Uint8Array }) => new TextDecoder().decode(value.plaintext)
const idOf = async (store: RecordStore, name: string) =>
  new TextDecoder().decode((await store.get(name))?.bytes).split(' ')[1]

/** A deployment, and processes of it, each with wrapping keys of its own. */
function deployment(store: SharedStore = memoryStore()) {
  const on = world(['a:1'], store)
  const vault = new FakeVault()
  async function start(order: readonly string[], through: SharedStore = store) {
    const keys = order.map((id) => wrappingKey(id, id.charCodeAt(1)))
    const login = instance(vault, through, { keys: [...order] })
    const own = { ...on, store: through, loginItems: login.items }
    Object.defineProperty(own, 'versions', { get: () => on.versions })
    const authority = authorityOn(own, keys)
    const keyring = await keyringOn(own, keys, authority)
    const needs = async () => {
      const { wrapping_keys: held } = await keyring.status()
      return Object.fromEntries(held.map(({ id, needed_by: by }) => [id, by]))
    }
    return {
      authority,
      keyring,
      login,
      needs,
      sync: async () => unwrap(await authority.sync('default', PLAIN_SYNC)),
      encrypt: async (plaintext: string) =>
        (await keyring.encrypt(utf8.encode(plaintext), new Uint8Array())).ciphertext,
      decrypt: async (ciphertext: string) => text(await keyring.decrypt(ciphertext, new Uint8Array())),
      /** Reads with the shared token. */
      use: () => vault.clock.run(login.read()),
    }
  }
  return { on, vault, start }
}

const STEPS = [['w1'], ['w1', 'w2'], ['w2', 'w1'], ['w2']] as const
const ALL = ['record', 'status', 'token', 'login']

describe('the steps to a new wrapping key', () => {
  it('are each safe beside instances of the step before: keys, values, syncs, and one login for all', async () => {
    const { on, vault, start } = deployment()
    const values: string[] = []
    let versions: string[] = ['a:1']
    for (const [at, order] of STEPS.entries()) {
      const [older, newer] = [await start(STEPS[Math.max(at - 1, 0)] ?? order), await start(order)]
      for (const [one, other] of [
        [older, newer],
        [newer, older],
      ] as const) {
        await one.use()
        await one.sync()
        on.clock.time += 1001
        values.push(await one.encrypt(`step ${at}`))
        await other.use()
        versions = [...versions, `key-${versions.length}:${versions.length + 1}`]
        on.versions = versions
        await other.sync()
        on.clock.time += 1001
        for (const value of values)
          for (const each of [one, other]) expect(await each.decrypt(value)).toMatch(/^step \d$/)
        expect((await one.keyring.record())?.active).toBe((await other.keyring.record())?.active)
      }
      if (order[0] === 'w2') expect(unwrap(await newer.authority.reseal('default')).sealedUnder.record).toBe('w2')
    }
    expect(vault.logins).toHaveLength(1)
    expect(await (await start(['w2'])).needs()).toEqual({ w2: ['record', 'status', 'token'] })
  })

  it('say that the old key is needed again once an instance of the step before has written', async () => {
    const { on, start } = deployment()
    const [before, after] = [await start(['w1', 'w2']), await start(['w2', 'w1'])]
    await before.sync()
    await after.authority.reseal('default')
    expect(await after.needs()).toMatchObject({ w1: [] })
    on.versions = ['a:1', 'b:2']
    await before.sync()
    expect((await after.needs())['w1']).toContain('record')
  })
})

describe('sealing anew', () => {
  /** Everything that there is, under `w1`. */
  async function filled(store = memoryStore()) {
    const deployed = deployment(store)
    const first = await deployed.start(['w1'])
    await first.use()
    await first.login.items.write('login/wrapped/x', { secretId: 's' }, 0)
    await first.sync()
    return { ...deployed, store, value: await first.encrypt('kept') }
  }

  it('reaches all at once, also while Vault is down, and makes a record young that was too old', async () => {
    const { on, start } = await filled()
    on.versions = new KeyringError('ERR_VAULT_SEALED', 'Sealed.')
    on.clock.time += 8 * 86_400_000
    const next = await start(['w2', 'w1'])
    expect(await next.needs()).toEqual({ w2: [], w1: ALL })
    expect((await next.keyring.status()).needed).toEqual([
      expect.stringContaining('KEYRING_MAX_RECORD_AGE'),
      expect.stringMatching(/^Nothing has been noted/),
    ])
    expect(await next.keyring.reseal()).toMatchObject([
      { id: 'w2', needed_by: ALL },
      { id: 'w1', needed_by: [] },
    ])
    expect((await next.keyring.status()).needed).toEqual([expect.stringMatching(/^Nothing has been noted/)])
    expect(on.asked.slice(2)).toEqual([])
  })

  it('reaches what is stored of the login where the keyring was never synced', async () => {
    const { start } = deployment()
    const first = await start(['w1'])
    await first.login.items.write('login/wrapped/x', { secretId: 's' }, 0)
    const next = await start(['w2', 'w1'])
    expect(unwrap(await next.authority.reseal('default'))).toMatchObject({
      sealed: null,
      sealedUnder: { record: null, status: 'w2', items: { logins: ['w2'] } },
    })
  })

  it('that stops at any write, loses nothing, says what is left, and goes on with the next', async () => {
    let stopped = 0
    for (let writes = 0; ; writes += 1) {
      const { store, start, value } = await filled()
      let left = writes
      const dying: SharedStore = {
        ...store,
        put: (...put) =>
          left-- > 0 ? store.put(...put) : Promise.reject(new KeyringError('ERR_STORE_UNAVAILABLE', 'Down.')),
      }
      const ended = await (await start(['w2', 'w1'], dying)).authority.reseal('default')
      // Instances of before are still there, and the old key is not needed only when it is not.
      expect(await (await start(['w1', 'w2'])).decrypt(value)).toBe('kept')
      const again = await start(['w2', 'w1'])
      const isRecordLeft = (await idOf(store, 'keyring/default')) === 'w1'
      expect((await again.needs())['w1']?.includes('record')).toBe(isRecordLeft)
      if (!ended.ok) expect((await again.needs())['w1']).not.toEqual([])
      await again.authority.reseal('default')
      expect(await again.needs()).toEqual({ w2: ALL, w1: [] })
      const last = await start(['w2'])
      expect(await last.decrypt(value)).toBe('kept')
      expect(await last.login.items.read('login/wrapped/x')).toMatchObject({ value: { secretId: 's' } })
      if (ended.ok) break
      stopped += 1
    }
    expect(stopped).toBeGreaterThanOrEqual(5)
  })
})
