/** The stored status, when it is not as any release writes it: what cannot be believed of it counts as never written, and ends nothing. */
import { describe, expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { decodeUtf8, utf8 } from '../../src/core/bytes.ts'
import { unwrap } from '../../src/core/errors.ts'
import { sealers } from '../../src/crypto/seal.ts'
import { lastSync } from '../../src/keyring/last-sync.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world, wrappingKey } from '../support/authority.ts'
import { NOW } from '../support/observed.ts'

const FAILING = { since: NOW, code: 'ERR_VAULT_SEALED', message: 'Sealed.', remedy: 'Unseal it.', facts: {} }

async function withStatus(text: string, key = wrappingKey('w1', 1)) {
  const on = world(['a:1'])
  const set = await sealers(nodeCipher, nodeHash, [key], 'default')
  await on.store.put('status/default', await set.first.sign('eks1', text), 0)
  return on
}

describe('a status record', () => {
  it.each<[string, string]>([
    ['that is no JSON', 'hello'],
    ['that is no object', '[1]'],
    ['that is null', 'null'],
    ['whose times are texts', '{"lastAttempt":"yesterday"}'],
    ['whose times are no dates', '{"lastAttempt":1e300}'],
    ['whose failures are no number', '{"failures":null}'],
    ['whose failure is a text', '{"failing":"ERR_VAULT_SEALED"}'],
    ['whose failure has no time', JSON.stringify({ failing: { ...FAILING, since: null } })],
    ['whose stall is of an unknown kind', '{"stalled":{"since":1,"version":1,"code":"new"}}'],
  ])('%s counts as never written', async (_what, text) => {
    const on = await withStatus(text)
    const keyring = await keyringOn(on)
    expect(await keyring.status()).toMatchObject({ last_attempt: null, last_error: null })
    expect(await authorityOn(on).syncIfDue('default')).toEqual({ ok: true, value: 'synced' })
    expect(await keyring.status()).toMatchObject({ last_success: new Date(NOW).toISOString(), last_error: null })
  })

  it.each<[string, object]>([
    ['time', { lastSuccess: 9e15 }],
    ['count', { failures: -1 }],
    ['failure', { failing: 'ERR_VAULT_SEALED' }],
    ['stall', { stalled: { since: NOW, version: 1e16, code: 'source-behind' } }],
    ['rotation', { rotation: { last: null, next: 9e15, left: null, failing: null } }],
    ['end', { ahead: { time: NOW, said: NOW, ends: [{ what: 'x', words: 'x', remedy: 'x', at: 9e18 }] } }],
    ['list', { offered: 'abc' }],
    ['list of texts', { refused: [7] }],
  ])('loses a part that is wrong, such as a %s, and nothing else', async (_what, wrong) => {
    const on = await withStatus(JSON.stringify({ lastAttempt: NOW - 1, replicated: 7, ...wrong }))
    const status = unwrap(await authorityOn(on).status('default'))
    expect(status).toMatchObject({ lastAttempt: NOW - 1, sealedUnder: { status: 'w1' } })
    expect(status).not.toMatchObject(wrong)
    expect(new Set(on.doubted)).toEqual(new Set(['unread']))
  })

  it.each<[string, number | null, string, number]>([
    ['the time that it has', NOW - 1, JSON.stringify({ lastSuccess: NOW - 1, failures: null }), 1],
    ['never, for a time that is a text', null, '{"lastSuccess":"yesterday"}', 1],
    ['never, for a time that nobody writes', null, '{"lastSuccess":-1}', 1],
    ['never, for a time that a clock ahead has written', null, JSON.stringify({ lastSuccess: NOW + 3_600_000 }), 1],
    ['never, where there is none', null, '{}', 1],
    ['never, for null', null, 'null', 1],
    ['never, for what is no JSON', null, 'hello', 1],
    ['never, for what another key has sealed', null, JSON.stringify({ lastSuccess: NOW - 1 }), 2],
  ])('says to whoever only uses the keyring %s', async (_what, time, text, seed) => {
    const { store } = await withStatus(text, wrappingKey('w1', seed))
    const set = await sealers(nodeCipher, nodeHash, [wrappingKey('w1', 1)], 'default')
    const clock = { now: () => NOW }
    expect(await lastSync({ store, clock }, set, 'default')).toBe(time)
    expect(await lastSync({ store, clock }, set, 'orders')).toBeNull()
  })

  it('is never written so that it cannot be read: a rotation that is due at no time there is, is not due', async () => {
    const on = world(['a:1'])
    on.rotation = { cadence: { after: () => 9e15 }, delayMs: 0, prunesHeld: false }
    on.written = NOW
    const authority = authorityOn(on)
    await authority.sync('default', PLAIN_SYNC)
    expect(unwrap(await authority.status('default'))).toMatchObject({ lastSuccess: NOW, rotation: null })
    expect(on.doubted).toEqual([])
  })

  it('keeps the greatest numbers that Vault may say, which are no times', async () => {
    const left = Number.MAX_SAFE_INTEGER
    const parts = {
      rotation: { last: NOW, next: null, left, failing: null },
      stalled: { since: NOW, version: left, code: 'source-behind' },
    }
    const on = await withStatus(JSON.stringify(parts))
    expect(unwrap(await authorityOn(on).status('default'))).toMatchObject(parts)
    expect(on.doubted).toEqual([])
  })

  it.each(['', 'garbage', '\u0000\u0000', 'eks1 k\nx'])(
    'without a first line of ours (%j) counts as never written',
    async (bytes) => {
      const on = world(['a:1'])
      await on.store.put('status/default', utf8(bytes), 0)
      expect(await authorityOn(on).syncIfDue('default')).toEqual({ ok: true, value: 'synced' })
      expect(new Set(on.doubted)).toEqual(new Set(['unread']))
      expect(await (await keyringOn(on)).status()).toMatchObject({ last_success: new Date(NOW).toISOString() })
    },
  )

  it('under a wrapping key that is gone counts as never written', async () => {
    const on = await withStatus(JSON.stringify({ lastAttempt: NOW }), wrappingKey('w9', 9))
    const authority = authorityOn(on)
    expect(unwrap(await authority.status('default'))).toMatchObject({ lastAttempt: null, nextTry: NOW })
    expect(await authority.sync('default', PLAIN_SYNC)).toMatchObject({ ok: true })
    expect(unwrap(await authority.status('default'))).toMatchObject({ lastSuccess: NOW })
  })

  it('with fields that are not known is read, and keeps them', async () => {
    const on = await withStatus(JSON.stringify({ lastAttempt: NOW - 1, failures: 1, failing: FAILING, later: [7] }))
    const authority = authorityOn(on)
    expect(unwrap(await authority.status('default'))).toMatchObject({ failures: 1, failing: FAILING })
    await authority.sync('default', PLAIN_SYNC)
    expect(decodeUtf8((await on.store.get('status/default'))?.bytes ?? utf8(''))).toContain('"later":[7]')
  })
})
