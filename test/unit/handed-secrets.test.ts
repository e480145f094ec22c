/** What is pushed of references: what is taken, what is refused, and that nothing of before comes back. */
import { describe, expect, it } from 'vitest'
import { readEntities } from '../../src/config/entities.ts'
import { unwrap } from '../../src/core/errors.ts'
import type { HandedSecret } from '../../src/core/vault-operations.ts'
import { isHanded } from '../../src/keyring/push-shape.ts'
import { NOW } from '../support/observed.ts'
import { secretWorld, valueOrCode } from '../support/secrets.ts'

const PASS = '{vault://hcv/password/pass1}'
const MINUTE = 60_000
const DAY = 86_400_000

const secret = (pass1: string, at: number, resource = 'password'): HandedSecret => ({
  resource,
  version: null,
  found: 'secret',
  text: JSON.stringify({ pass1 }),
  at,
})
const none = (found: 'absent' | 'forbidden', at: number): HandedSecret => ({ ...secret('', at), found, text: '' })

function pushed(...rules: Parameters<typeof secretWorld>) {
  const world = secretWorld(rules[0], rules[1], { isPushed: true, ...rules[2] })
  const hand = (secrets: readonly HandedSecret[], source = 'kv') =>
    world.keepers.call({ call: 'hand', vault: 'hcv', source, secrets })
  const summary = async () => unwrap(await world.keepers.call({ call: 'summary', vault: 'hcv' }))
  return { ...world, hand, summary }
}

describe('what was pushed', () => {
  it('is served, and the vault is asked by nobody', async () => {
    const { hand, secrets, look, vault, clock } = pushed()
    expect(await hand([secret('one', NOW - 10)])).toEqual({ ok: true, value: { taken: 1, older: 0 } })
    expect(await secrets.resolve([PASS])).toMatchObject([{ value: { value: 'one', ageMs: 10 } }])
    clock.time += 2 * MINUTE
    await look()
    expect(await secrets.resolve([PASS], true)).toMatchObject([{ value: { value: 'one', cache: 'stale' } }])
    expect(await valueOrCode(secrets, '{vault://hcv/other/a}')).toBe('ERR_SECRET_NOT_FOUND')
    expect(vault.asked).toEqual([])
  })

  it('serves up to resurrect_ttl from its expiry on, and no longer', async () => {
    const { hand, secrets, clock } = pushed({ resurrectMs: 60 * MINUTE })
    await hand([secret('one', NOW)])
    clock.time += 61 * MINUTE - 1
    expect(await valueOrCode(secrets, PASS)).toBe('one')
    clock.time += 1
    const [result] = await secrets.resolve([PASS])
    expect(result).toMatchObject({
      error: { code: 'ERR_SECRET_NOT_FOUND', message: expect.stringContaining('too long') },
    })
  })

  it('is ended by the answer that there is none, whatever neg_ttl says', async () => {
    const { hand, secrets, clock } = pushed()
    await hand([secret('one', NOW)])
    await hand([none('absent', NOW + 1)])
    expect(await valueOrCode(secrets, PASS)).toBe('ERR_SECRET_NOT_FOUND')
    clock.time += 10 * MINUTE
    await hand([none('forbidden', clock.time)])
    expect(await valueOrCode(secrets, PASS)).toBe('ERR_SECRET_FORBIDDEN')
  })

  it('may come twice, since an answer may get lost', async () => {
    const { hand } = pushed()
    await hand([secret('one', NOW)])
    expect(await hand([secret('one', NOW)])).toMatchObject({ value: { taken: 1, older: 0 } })
  })

  it('is forgotten when nobody pushes it for a week', async () => {
    const { hand, items, clock } = pushed()
    for (let day = 0; day < 10; day += 1) {
      await hand([secret('one', clock.time)])
      clock.time += DAY
    }
    expect(items.size()).toBe(1)
    clock.time += 7 * DAY
    expect(items.size()).toBe(0)
  })

  it('shows in the status, with those who are silent', async () => {
    const { hand, summary, clock } = pushed()
    await hand([secret('one', NOW - 5), none('absent', NOW - 5), secret('two', NOW, 'other')])
    expect(await summary()).toMatchObject({ pushed: true, kept: 1, refused: 1, stale: 0, last: NOW, failing: null })
    clock.time += 2 * MINUTE
    expect(await summary()).toMatchObject({ kept: 1, stale: 1, last: NOW })
  })
})

describe('whoever pushes', () => {
  it('does not bring back what was true before', async () => {
    const { hand, secrets } = pushed()
    await hand([secret('new', NOW)])
    expect(await hand([secret('old', NOW - 1), secret('other', NOW - 1, 'other')])).toMatchObject({
      value: { taken: 1, older: 1 },
    })
    expect(await valueOrCode(secrets, PASS)).toBe('new')
  })

  it('that has waited for the store does not bring back what is older than what others have pushed meanwhile', async () => {
    const { hand, items, secrets, clock } = pushed()
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const get = items.get.bind(items)
    items.get = async (...which) => {
      items.get = get
      begin()
      await gate
      return get(...which)
    }
    const slow = hand([secret('one', NOW)])
    await begun
    clock.time += 2 * MINUTE
    await hand([secret('two', clock.time)])
    open()
    expect(await slow).toEqual({ ok: true, value: { taken: 0, older: 1 } })
    expect(await valueOrCode(secrets, PASS)).toBe('two')
  })

  it('does not bring back what Vault has deleted, at any later time', async () => {
    const { hand, secrets, clock } = pushed({ ttlMs: 0 })
    const before = secret('old', NOW - 1)
    await hand([before])
    await hand([none('absent', NOW)])
    for (const later of [MINUTE, 6 * DAY, 7 * DAY, 30 * DAY]) {
      clock.time = NOW + later
      await hand([before])
      expect(await valueOrCode(secrets, PASS)).toBe('ERR_SECRET_NOT_FOUND')
    }
  })

  it('does not say what is to come: one such time, and nothing is taken', async () => {
    const { hand, items, clock } = pushed()
    expect(await hand([secret('one', NOW), secret('two', NOW + 30_001, 'other')])).toMatchObject({
      error: { code: 'ERR_REQUEST_INVALID', message: expect.stringContaining('later than') },
    })
    expect(items.size()).toBe(0)
    expect(await hand([secret('one', NOW + 30_000)])).toMatchObject({ value: { taken: 1 } })
    clock.time = NOW + 30_001
    expect(await hand([secret('two', NOW + 30_001)])).toMatchObject({ value: { taken: 1 } })
  })

  it('does not push what is read elsewhere, though by another address', async () => {
    const { hand, items } = pushed()
    const refusal = { error: { code: 'ERR_SOURCE_CHANGED', facts: { vault: 'hcv' } } }
    expect(await hand([secret('one', NOW)], 'elsewhere')).toMatchObject(refusal)
    expect(items.size()).toBe(0)
    const sourceOf = (fields: object) => {
      const vault = { name: 'hcv', prefix: 'my-vault', config: { token: 't', mount: 'secret', kv: 'v2', ...fields } }
      return readEntities({ KEYRING_VAULTS: JSON.stringify([vault]) }, 'node').entities[0]?.source
    }
    expect(sourceOf({ host: '127.0.0.2' })).toBe(sourceOf({ host: '127.0.0.1' }))
    for (const other of [{ mount: 'other' }, { namespace: 'other' }, { kv: 'v1' }])
      expect(sourceOf(other)).not.toBe(sourceOf({}))
  })

  it('does not push to a vault that is asked from here, nor to one that there is not', async () => {
    const { keepers, items } = secretWorld()
    const sent = { call: 'hand', source: 'kv', secrets: [secret('one', NOW)] } as const
    expect(await keepers.call({ ...sent, vault: 'hcv' })).toMatchObject({ error: { code: 'ERR_REQUEST_INVALID' } })
    expect(await keepers.call({ ...sent, vault: 'no' })).toMatchObject({
      error: { code: 'ERR_REFERENCE_VAULT_UNKNOWN' },
    })
    expect(items.size()).toBe(0)
  })

  it('with a secret that is too large makes that one unusable, and no other', async () => {
    const { hand, secrets, summary } = pushed()
    await hand([{ ...secret('', NOW), text: `"${'x'.repeat(400 * 1024)}"` }, secret('two', NOW, 'other')])
    expect(await valueOrCode(secrets, PASS)).toBe('ERR_SECRET_UNUSABLE')
    expect(await valueOrCode(secrets, '{vault://hcv/other/pass1}')).toBe('two')
    expect(await summary()).toMatchObject({ failing: { count: 1, error: { code: 'ERR_SECRET_UNUSABLE' } } })
  })

  it.each<[string, unknown]>([
    ['a list of more than 1,000', Array.from({ length: 1001 }, (_, at) => secret('x', NOW, `s${at}`))],
    ['a text', 'canary'],
    ['a field more', [{ ...secret('x', NOW), vault: 'hcv' }]],
    ['a field less', [{ resource: 'a', version: null, found: 'secret', text: '' }]],
    ['a text where there is none', [{ ...none('absent', NOW), text: 'canary' }]],
    ['no text', [{ ...secret('x', NOW), text: null }]],
    ['no resource', [secret('x', NOW, '')]],
    ['half a character', [secret('x', NOW, '\ud800')]],
    ['version 0', [{ ...secret('x', NOW), version: 0 }]],
    ['a time that is none', [secret('x', Number.POSITIVE_INFINITY)]],
    ['a time that no date has', [secret('x', 8.64e15 + 1)]],
    ['another answer', [{ ...secret('x', NOW), found: 'canary' }]],
  ])('sends no %s', (_name, given) => {
    expect(isHanded(given)).toBe(false)
  })
})

describe('a deployment to which is pushed', () => {
  const vaults = [
    { name: 'hcv', prefix: 'my-vault', config: { kv: 'v2' } },
    { name: 'aws', prefix: 'my-aws', config: { region: 'eu-west-1' } },
    { name: 'env', prefix: 'my-env', config: { prefix: 'APP_' } },
  ]
  const env = { KEYRING_STRATEGY: 'push', KEYRING_VAULTS: JSON.stringify(vaults) }

  it.each(['node', 'workers', 'lambda-sync'] as const)('needs no login, and asks itself alone, on %s', (runtime) => {
    const { entities, broken } = readEntities(env, runtime)
    expect(broken).toEqual([])
    expect(entities.map(({ backend }) => backend.type)).toEqual(['pushed', 'pushed', 'env'])
  })

  it('says which credentials it has no use for', () => {
    const withToken = { ...env, KEYRING_VAULTS: JSON.stringify([{ ...vaults[0], config: { token: 'canary' } }]) }
    expect(readEntities(withToken, 'node').notices).toContainEqual(
      'vaults.my-vault.config.token is not used here: the strategy is push.',
    )
  })
})
