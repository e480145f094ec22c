/** What a sync or a change commits, and with which time: Vault and the store may be slow, and the record may be full. */
import { describe, expect, it } from 'vitest'
import type { RecordStore } from '../../src/core/ports.ts'
import { PLAIN_SYNC, keyringOn, world } from '../support/authority.ts'
import type { World } from '../support/authority.ts'
import { NOW } from '../support/observed.ts'

const recordOn = async (on: World) => (await (await keyringOn(on)).record()) ?? expect.unreachable()

describe('a time in the record is that of the commit', () => {
  /** Each answer of the source takes 3 s. */
  async function slow(...versions: string[]) {
    const on = world(versions)
    const keyring = await keyringOn(on)
    await keyring.sync(PLAIN_SYNC)
    on.answerMs = 3000
    return { on, keyring }
  }
  const stopped = async (on: World, id: string) => (await recordOn(on)).keys.find((entry) => entry.id === id)?.stopped

  it('when a key stops being active: others encrypt with it until then, however slow Vault is', async () => {
    const { on, keyring } = await slow('a:1')
    on.versions = ['a:1', 'b:2']
    await keyring.sync(PLAIN_SYNC)
    expect(on.clock.time).toBe(NOW + 6000)
    expect(await stopped(on, 'a')).toBe(on.clock.time)
    expect((await recordOn(on)).keys.map(({ synced }) => synced)).toEqual([NOW, on.clock.time])
    const early = keyring.change({ op: 'remove', id: 'a', force: false })
    await expect(early).rejects.toThrow(expect.objectContaining({ code: 'ERR_KEY_IN_USE' }))
  })

  it('when its source is left', async () => {
    const { on, keyring } = await slow('a:1')
    on.incarnation = 'second'
    on.versions = ['x:9']
    await keyring.sync({ ...PLAIN_SYNC, force: true })
    expect(await stopped(on, 'a')).toBe(NOW + 6000)
  })

  it('when its source is left for one whose current version is unusable', async () => {
    const { on, keyring } = await slow('a:1')
    on.incarnation = 'second'
    on.versions = ['malformed']
    const refused = expect.objectContaining({ code: 'ERR_ACTIVE_UNUSABLE' })
    await expect(keyring.sync({ ...PLAIN_SYNC, force: true })).rejects.toThrow(refused)
    expect(await stopped(on, 'a')).toBe(NOW + 6000)
    expect((await recordOn(on)).active).toBeNull()
  })

  it('when it is compromised, however slow the store is before the write', async () => {
    const on = world(['a:1'])
    const slowly: RecordStore = {
      ...on.store,
      get: async (name) => {
        const stored = await on.store.get(name)
        if (name === 'status/default') on.clock.time += 3000
        return stored
      },
    }
    const replica = { get: async () => null, set: async () => true }
    const keyring = await keyringOn({ ...on, store: slowly, replica })
    await keyring.sync(PLAIN_SYNC)
    on.clock.time = NOW + 60_000
    await keyring.change({ op: 'compromise', id: 'a', force: true })
    expect(await stopped(on, 'a')).toBe(NOW + 63_000)
  })
})
