/** Syncs of one keyring that are asked for while another is under way. */
import { setImmediate as idle } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { KeyringError, unwrap } from '../../src/core/errors.ts'
import type { SyncOptions } from '../../src/core/operations.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world } from '../support/authority.ts'

/** A source whose first reading of a version goes on when told; `begun` = it has looked at the source and reads. */
function held(...versions: string[]) {
  const on = world(versions)
  const [gate, begun] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  on.beforeRead = async () => {
    begun.resolve()
    await gate.promise
    await idle()
  }
  const authority = authorityOn(on)
  const sync = async (more: Partial<SyncOptions> = {}) =>
    unwrap(await authority.sync('default', { ...PLAIN_SYNC, ...more }))
  const looks = () => on.asked.filter((what) => what === 'observe').length
  const active = async () => (await (await keyringOn(on)).record())?.active
  return { on, sync, go: gate.resolve, fail: gate.reject, begun: begun.promise, looks, active }
}

describe('a sync that is asked for while one is under way', () => {
  it('has what was written before it was asked for, and all of them are one sync, after it', async () => {
    const { on, sync, go, begun, looks, active } = held('a:1')
    const first = sync()
    await begun
    on.versions = ['a:1', 'b:2']
    const joined = [sync(), sync(), sync()]
    go()
    await first
    expect((await Promise.all(joined)).map(({ changed }) => changed)).toEqual([true, true, true])
    expect([looks(), await active()]).toEqual([2, 'b'])
  })

  it('joins one that has not looked yet', async () => {
    const { sync, go, looks } = held('a:1')
    const both = Promise.all([sync(), sync()])
    go()
    await both
    expect(looks()).toBe(1)
  })

  it.each<[string, Partial<SyncOptions>]>([
    ['force', { force: true }],
    ['adopt', { adopt: true }],
    ['a token of its own', { token: 'of-no-importance' }],
  ])('with %s waits, and is one of its own', async (_what, more) => {
    const { sync, go, begun, looks } = held('a:1')
    const first = sync()
    await begun
    const rest = [sync(more), sync(more), sync()]
    await idle()
    expect(looks()).toBe(1)
    go()
    await Promise.all([first, ...rest])
    expect(looks()).toBe(4)
  })

  it('waits for all who came before, with force too', async () => {
    const { on, sync, go } = held('malformed', 'b:2')
    const all = [sync(), sync({ force: true }), sync({ force: true })]
    go()
    await Promise.all(all)
    expect(on.asked).toEqual(['observe', 2, 1, 'observe', 1, 'observe', 1])
  })

  it('is not held up by the failure of the one before', async () => {
    const { on, sync, fail, begun, active } = held('a:1')
    const first = sync()
    await begun
    const second = sync()
    on.beforeRead = async () => {}
    fail(new KeyringError('ERR_VAULT_SEALED', 'Vault is sealed.'))
    await expect(first).rejects.toThrow(expect.objectContaining({ code: 'ERR_VAULT_SEALED' }))
    await second
    expect(await active()).toBe('a')
  })

  it('hears that others took all the time when its own is over first, and no failure of the source is noted', async () => {
    const { on, sync, go, begun } = held('a:1')
    const first = sync()
    await begun
    on.leftMs = 0
    const late = sync({ force: true })
    // Its own timer is set by then, and timers of one length end in order.
    await new Promise((resolve) => setImmediate(() => setTimeout(resolve)))
    go()
    await first
    await expect(late).rejects.toThrow(expect.objectContaining({ code: 'ERR_SYNC_CONTENDED' }))
    expect((await (await keyringOn(on)).status()).last_error).toBeNull()
  })
})
