/** Which answer of the authority an instance goes by: not one that came late, nor one from before a step of the clock. */
import { expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { refusal } from '../../src/core/errors.ts'
import type { KeyringAuthority, UsedAuthority } from '../../src/core/operations.ts'
import { sealers } from '../../src/crypto/seal.ts'
import type { SnapshotParts } from '../../src/keyring/snapshot.ts'
import { Snapshot } from '../../src/keyring/snapshot.ts'
import { MAX_RECORD_AGE_MS, PLAIN_SYNC, authorityOn, keyringOn, world, wrappingKey } from '../support/authority.ts'
import type { World } from '../support/authority.ts'

const [SECOND, HOUR] = [1000, 3_600_000]
const NONE = new Uint8Array()

/** A store of which every word stands, for whoever asks it; and what the authority is asked. */
async function instance(on: World, more: Partial<SnapshotParts> = {}) {
  const inner = authorityOn(on)
  const state = { asked: 0, behind: [] as Promise<void>[], before: async () => {} }
  const authority: UsedAuthority = {
    async call(message) {
      state.asked += 1
      const answer = await inner.call(message)
      await state.before()
      return answer
    },
  }
  const snapshot = new Snapshot(
    {
      authority,
      replica: null,
      background: (work) => state.behind.push(work),
      audit: { note: () => {} },
      clock: on.clock,
      freshness: { freshMs: 60_000, backgroundMs: 60_000, pauseMs: 0 },
      ages: { stampMs: HOUR, recordMs: MAX_RECORD_AGE_MS },
      siblings: 1,
      stands: () => true,
      ...more,
    },
    await sealers(nodeCipher, nodeHash, [wrappingKey('w1', 1)], 'default'),
    'default',
  )
  /** How often the authority was asked, because what the store holds did not say enough. */
  const askedLater = async () => {
    const before = state.asked
    on.clock.time += 59 * SECOND
    snapshot.freshen()
    await Promise.all(state.behind.splice(0))
    return state.asked - before
  }
  return { snapshot, state, inner, askedLater }
}

it('asks nobody while the store has what the authority has answered', async () => {
  const on = world(['a:1'])
  const { snapshot, inner, askedLater } = await instance(on)
  await inner.sync('default', PLAIN_SYNC)
  await snapshot.ask()
  expect(await askedLater()).toBe(0)
})

it('does not go by an answer that came after a newer one', async () => {
  const on = world(['a:1'])
  const { snapshot, state, inner, askedLater } = await instance(on)
  await inner.sync('default', PLAIN_SYNC)
  const late = Promise.withResolvers<void>()
  const read = Promise.withResolvers<void>()
  state.before = () => (read.resolve(), late.promise)
  const first = snapshot.ask()
  await read.promise
  state.before = async () => {}
  on.versions = ['a:1', 'b:2']
  await inner.sync('default', PLAIN_SYNC)
  await snapshot.ask()
  late.resolve()
  await first
  expect((await snapshot.view())?.record.active).toBe('b')
  expect(await askedLater()).toBe(1)
})

it('does not go by an answer that a replica has overtaken', async () => {
  const held = new Map<string, Bytes>()
  const replica = {
    get: async (name: string) => held.get(name) ?? null,
    set: async (name: string, bytes: Bytes) => (held.set(name, bytes), true),
  }
  const on = { ...world(['a:1']), replica }
  const { snapshot, inner, askedLater } = await instance(on, { replica })
  await inner.sync('default', PLAIN_SYNC)
  await snapshot.ask()
  on.versions = ['a:1', 'b:2']
  await inner.sync('default', PLAIN_SYNC)
  await inner.syncIfDue('default')
  on.clock.time += 60 * SECOND
  expect((await snapshot.view())?.record.active).toBe('b')
  held.clear()
  expect(await askedLater()).toBe(1)
})

it('asks again after a step of the clock, also when that comes to where it was', async () => {
  const on = world(['a:1'])
  const { snapshot } = await instance(on, { freshness: { freshMs: 60_000, backgroundMs: 60_000, pauseMs: 5000 } })
  await snapshot.ask()
  expect(await snapshot.ask()).toBe('paused')
  on.clock.time -= HOUR
  await snapshot.view()
  on.clock.time += HOUR - SECOND / 2
  expect(await snapshot.ask()).not.toBe('paused')
})

it('asks once for a value that is encrypted in an outage', async () => {
  const on = world(['a:1'])
  const inner = authorityOn(on)
  const state = { isDown: false, asked: 0 }
  const authority: KeyringAuthority = {
    call(message) {
      state.asked += 1
      return state.isDown ? Promise.resolve(refusal('ERR_STORE_UNAVAILABLE', 'Gone.') as never) : inner.call(message)
    },
  }
  const keyring = await keyringOn(on, undefined, authority)
  await keyring.sync(PLAIN_SYNC)
  on.clock.time += 2 * SECOND
  Object.assign(state, { isDown: true, asked: 0 })
  await expect(keyring.encrypt('x', NONE)).rejects.toMatchObject({ code: 'ERR_SNAPSHOT_STALE' })
  expect(state.asked).toBe(1)
})
