import { describe, expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { KeyringError, refusal } from '../../src/core/errors.ts'
import type { SecretRules } from '../../src/core/secrets.ts'
import { itemSealer, secretsOf } from '../../src/crypto/seal-item.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import { SecretReader } from '../../src/secrets/reader.ts'
import { Secrets } from '../../src/secrets/secrets.ts'
import { wrappingKey } from '../support/authority.ts'
import { outage, secretWorld, valueOrCode } from '../support/secrets.ts'

const DAY = 24 * 60 * 60 * 1000
const PASS = '{vault://hcv/password/pass}'

/** Instances that read the store themselves, before an authority on the same store. */
function readers(rules: Partial<SecretRules> = {}) {
  const world = secretWorld(rules)
  const { clock, items } = world
  const beyond = { asked: [] as number[], isDown: false }
  const store = { reads: 0, mostAtOnce: 0, trouble: null as KeyringError | null }
  let underWay = 0
  const identity = 'https://vault.example kv'
  const own = { ttlMs: 60_000, negTtlMs: 0, resurrectMs: 3_600_000, resurrectDeleted: false, ...rules }
  const entity = { prefix: 'hcv', identity, rules: own, isBase64: false, trouble: () => null }
  const entities = new Map([
    ['hcv', { ...entity, split: (written: { resource: string; key: string | null }) => written }],
  ])
  const sealer = (prefix: string) => itemSealer(nodeCipher, nodeHash, [wrappingKey('w1', 1)], secretsOf(prefix))
  const counted: Pick<typeof items, 'get'> = {
    async get(group, name) {
      store.reads += 1
      underWay += 1
      store.mostAtOnce = Math.max(store.mostAtOnce, underWay)
      await new Promise((done) => setImmediate(done))
      underWay -= 1
      if (store.trouble !== null) throw store.trouble
      return items.get(group, name)
    },
  }
  const authority = distantAuthority(async (message) => {
    if (!('vault' in message)) return null
    beyond.asked.push(message.call === 'resolve' ? message.secrets.length : 0)
    return beyond.isDown ? refusal('ERR_AUTHORITY_UNAVAILABLE', 'It is gone.') : world.keepers.call(message)
  })
  /** It has resolved nothing yet. */
  const cold = (): Secrets => {
    const reader = new SecretReader({ items: counted, clock, sealer, entities, beyond: authority })
    return new Secrets({ authority: reader, clock, sealer, entities, freshMs: 1000 })
  }
  return { ...world, beyond, store, cold }
}

describe('an instance that reads the store of secrets itself', () => {
  it('asks nobody while what is kept is fresh, with one read for each secret, some of them at once', async () => {
    const { vault, beyond, store, cold } = readers()
    const all = Array.from({ length: 40 }, (_, at) => `{vault://hcv/s${at}/pass}`)
    for (const [at] of all.entries()) vault.answers.set(`s${at}`, { pass: `p${at}`, other: 'o' })
    await cold().resolve(all)
    expect(beyond.asked).toEqual([40])
    store.reads = 0
    const again = await cold().resolve([...all, '{vault://hcv/s0/other}'])
    expect(again.map((one) => one.ok && one.value.value)).toEqual([...all.map((_, at) => `p${at}`), 'o'])
    expect([store.reads, store.mostAtOnce, beyond.asked, vault.asked.length]).toEqual([40, 10, [40], 40])
  })

  it('asks for what does not serve, and for nothing else of the batch', async () => {
    const { vault, beyond, cold } = readers()
    vault.answers.set('password', { pass: 'one' }).set('new', { pass: 'two' })
    await cold().resolve([PASS])
    const results = await cold().resolve(['{vault://hcv/new/pass}', PASS, '{vault://hcv/none/pass}'])
    expect(results.map((one) => (one.ok ? one.value.value : one.error.code))).toEqual([
      'two',
      'one',
      'ERR_SECRET_NOT_FOUND',
    ])
    expect(beyond.asked).toEqual([1, 2])
  })

  it('asks once what has expired, and takes the new version', async () => {
    const { clock, vault, beyond, cold } = readers()
    vault.answers.set('password', { pass: 'old' })
    await cold().resolve([PASS])
    vault.answers.set('password', { pass: 'new' })
    clock.time += 59_999
    expect(await valueOrCode(cold(), PASS)).toBe('old')
    clock.time += 1
    expect(await valueOrCode(cold(), PASS)).toBe('new')
    expect(beyond.asked).toHaveLength(2)
  })

  it.each([
    ['the authority', true],
    ['the vault', false],
  ])(
    'while %s is gone, what has expired serves until resurrect_ttl is over, and not a millisecond longer',
    async (_name, isOfAuthority) => {
      const { clock, vault, beyond, cold } = readers({ resurrectMs: 120_000 })
      vault.answers.set('password', { pass: 'kept' })
      await cold().resolve([PASS])
      beyond.isDown = isOfAuthority
      vault.answers.set('password', outage())
      clock.time += 60_000 + 119_999
      expect(await cold().resolve([PASS])).toMatchObject([{ ok: true, value: { value: 'kept', cache: 'stale' } }])
      clock.time += 1
      const code = isOfAuthority ? 'ERR_AUTHORITY_UNAVAILABLE' : 'ERR_VAULT_UNREACHABLE'
      expect(await valueOrCode(cold(), PASS)).toBe(code)
    },
  )

  it('with no resurrect_ttl nothing serves after its expiry', async () => {
    const { clock, vault, beyond, cold } = readers({ resurrectMs: 0 })
    vault.answers.set('password', { pass: 'kept' })
    await cold().resolve([PASS])
    beyond.isDown = true
    clock.time += 59_999
    expect(await valueOrCode(cold(), PASS)).toBe('kept')
    clock.time += 1
    expect(await valueOrCode(cold(), PASS)).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })

  it('in the pause after a failure nobody is asked; then it is', async () => {
    const { clock, vault, beyond, cold } = readers()
    vault.answers.set('password', { pass: 'kept' })
    await cold().resolve([PASS])
    vault.answers.set('password', outage())
    clock.time += 60_000
    await cold().resolve([PASS])
    expect(beyond.asked).toHaveLength(2)
    clock.time += 999
    expect(await valueOrCode(cold(), PASS)).toBe('kept')
    expect(beyond.asked).toHaveLength(2)
    clock.time += 1
    await cold().resolve([PASS])
    expect(beyond.asked).toHaveLength(3)
  })

  it('while somebody else asks the vault, what has expired serves without a question', async () => {
    const { clock, vault, beyond, cold } = readers()
    vault.answers.set('password', { pass: 'kept' })
    await cold().resolve([PASS])
    clock.time += 60_000
    let open = () => {}
    vault.before = () => new Promise((resolve) => (open = resolve))
    const first = cold().resolve([PASS])
    await expect.poll(() => vault.asked).toHaveLength(2)
    expect(await valueOrCode(cold(), PASS)).toBe('kept')
    expect(beyond.asked).toHaveLength(2)
    open()
    await first
  })

  it('tells the authority once a day what is wanted, so that it is not forgotten', async () => {
    const { clock, vault, items, beyond, cold, look } = readers()
    vault.answers.set('password', { pass: 'wanted' })
    await cold().resolve([PASS])
    for (let day = 0; day < 10; day += 1) {
      clock.time += DAY
      await look()
      expect(await valueOrCode(cold(), PASS)).toBe('wanted')
      expect(await valueOrCode(cold(), PASS)).toBe('wanted')
    }
    // The other item describes the vault.
    expect([beyond.asked.length, items.size()]).toEqual([11, 2])
  })

  it('a secret that is gone ends, whatever was kept of it', async () => {
    const { clock, vault, cold } = readers()
    for (const answer of ['absent', 'forbidden'] as const) {
      vault.answers.set('password', { pass: 'kept' })
      clock.time += 60_000
      expect(await valueOrCode(cold(), PASS)).toBe('kept')
      vault.answers.set('password', answer)
      clock.time += 60_000
      expect(await valueOrCode(cold(), PASS)).toMatch(/^ERR_SECRET_(NOT_FOUND|FORBIDDEN)$/)
    }
  })

  it('that it was so is kept for neg_ttl, without a question', async () => {
    const { clock, vault, beyond, cold } = readers({ negTtlMs: 30_000 })
    expect(await valueOrCode(cold(), PASS)).toBe('ERR_SECRET_NOT_FOUND')
    vault.answers.set('password', { pass: 'here' })
    clock.time += 29_999
    expect(await valueOrCode(cold(), PASS)).toBe('ERR_SECRET_NOT_FOUND')
    expect(beyond.asked).toHaveLength(1)
    clock.time += 1
    expect(await valueOrCode(cold(), PASS)).toBe('here')
  })

  it('by force the authority is asked for what is fresh too; when it is gone, what is kept serves, and a limit is told', async () => {
    const { vault, beyond, cold } = readers()
    vault.answers.set('password', { pass: 'old' })
    await cold().resolve([PASS])
    vault.answers.set('password', { pass: 'new' })
    expect(await valueOrCode(cold(), PASS, true)).toBe('new')
    expect(await valueOrCode(cold(), PASS, true)).toBe('ERR_RATE_LIMITED')
    beyond.isDown = true
    expect(await valueOrCode(cold(), PASS, true)).toBe('new')
  })

  it('an item that was altered is asked for anew', async () => {
    const { vault, items, beyond, cold } = readers()
    vault.answers.set('password', { pass: 'sealed' })
    await cold().resolve([PASS])
    const [name = ''] = await items.list('hcv', '', 1)
    const stored = await items.get('hcv', name)
    const times = { due: Number.POSITIVE_INFINITY, expires: Number.POSITIVE_INFINITY }
    await items.put('hcv', name, new Uint8Array([1, 2]), stored?.version ?? 0, times)
    expect(await valueOrCode(cold(), PASS)).toBe('sealed')
    expect(beyond.asked).toHaveLength(2)
  })

  it('a store that cannot be read is the failure, and the authority on the same store is not asked', async () => {
    const { beyond, store, cold } = readers()
    store.trouble = new KeyringError('ERR_STORE_UNAVAILABLE', 'It is gone.')
    expect(await valueOrCode(cold(), PASS)).toBe('ERR_STORE_UNAVAILABLE')
    expect(beyond.asked).toEqual([])
  })
})
