/** Another key under an id that was used before is told by its name, and never seals a record that it cannot read. */
import { describe, expect, it } from 'vitest'
import { unwrap } from '../../src/core/errors.ts'
import type { Audit, AuditEvent, Replica } from '../../src/core/ports.ts'
import { Secret } from '../../src/core/secret.ts'
import { deriveFor } from '../../src/crypto/derive.ts'
import { sealers } from '../../src/crypto/seal.ts'
import type { WrappingKey } from '../../src/crypto/seal.ts'
import { signRecord, verifyRecord } from '../../src/keyring/record.ts'
import { tellingAuthority, wrappingTroubles } from '../../src/keyring/wrapping-trouble.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world, wrappingKey } from '../support/authority.ts'
import { CIPHERS } from '../support/ciphers.ts'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'

const [W1, W2, OTHER_W1] = [wrappingKey('w1', 1), wrappingKey('w2', 2), wrappingKey('w1', 3)]
const WRONG = { ok: false, error: { code: 'ERR_WRAPPING_KEY_WRONG', facts: { keyring: 'default', wrappingKey: 'w1' } } }

/** Synced under `w1`. */
async function synced() {
  const on = world(['a:1'])
  await authorityOn(on).sync('default', PLAIN_SYNC)
  const stored = async () => (await on.store.get('keyring/default'))?.bytes ?? expect.unreachable()
  return { on, stored }
}

const derivedOf = async (key: WrappingKey, keyring: string, named = keyring): Promise<WrappingKey> => {
  const [derived] = await deriveFor(nodeCipher, [key], `keyring/${keyring}`)
  return { ...(derived ?? expect.unreachable()), purpose: `keyring/${named}` }
}

const checksOf = async (bytes: Parameters<typeof verifyRecord>[2], keys: readonly WrappingKey[]) =>
  Object.keys(
    (await verifyRecord(await sealers(nodeCipher, nodeHash, keys, 'default'), 'default', bytes)).record.checks ?? {},
  )

describe('a key under an id that another one had', () => {
  it.each<[string, () => Promise<readonly WrappingKey[]>]>([
    ['another wrapping key', async () => [OTHER_W1]],
    ['another one, behind the first', async () => [W2, OTHER_W1]],
    ['a derived key of another wrapping key', async () => [await derivedOf(OTHER_W1, 'default')]],
    ['a derived key of another keyring', async () => [await derivedOf(W1, 'orders', 'default')]],
  ])('is told by its name when the record is read: %s', async (_name, keys) => {
    const { on } = await synced()
    const authority = authorityOn(on, await keys())
    expect(await authority.read('default', 0)).toMatchObject(WRONG)
    expect(await authority.sync('default', PLAIN_SYNC)).toMatchObject(WRONG)
    await expect((await keyringOn(on, await keys())).record()).rejects.toMatchObject(WRONG.error)
  })

  it('never seals: not even when another one opens the record', async () => {
    const { on, stored } = await synced()
    await authorityOn(on, [W2, W1]).sync('default', PLAIN_SYNC)
    const before = await stored()
    const authority = authorityOn(on, [OTHER_W1, W2])
    expect(await authority.read('default', 0)).toMatchObject({ ok: true })
    expect(await authority.sync('default', PLAIN_SYNC)).toMatchObject(WRONG)
    expect(await authority.change('default', { op: 'remove', id: 'a', force: true })).toMatchObject(WRONG)
    expect(await stored()).toBe(before)
  })

  it('is no fault of the replica', async () => {
    const { on, stored } = await synced()
    const noted: (string | null)[] = []
    const replica: Replica = { get: stored, set: async () => true }
    const audit: Pick<Audit, 'note'> = { note: ({ action, code }: AuditEvent) => noted.push(`${action} ${code}`) }
    const open = (keys: readonly WrappingKey[]) =>
      keyringOn(on, keys, undefined, {
        replica,
        audit,
        freshness: { freshMs: 1000, backgroundMs: 1000, pauseMs: 5000 },
      })
    await (await open([OTHER_W1])).isUsable().catch(() => {})
    expect(noted).toEqual(['replica ERR_WRAPPING_KEY_WRONG'])
  })
})

describe('the checks of a record', () => {
  it('are of every wrapping key that has sealed it, since it has any', async () => {
    const { on, stored } = await synced()
    expect(await checksOf(await stored(), [W1])).toEqual(['w1'])
    await authorityOn(on, [W2, W1]).sync('default', PLAIN_SYNC)
    expect(await checksOf(await stored(), [W2])).toEqual(['w1', 'w2'])
    const set = await sealers(nodeCipher, nodeHash, [W2], 'default')
    const { checks: _, ...record } = (await verifyRecord(set, 'default', await stored())).record
    const { version } = (await on.store.get('keyring/default')) ?? expect.unreachable()
    await on.store.put('keyring/default', await signRecord(set, record), version)
    await authorityOn(on, [wrappingKey('w3', 4), W2]).sync('default', PLAIN_SYNC)
    expect(await checksOf(await stored(), [wrappingKey('w3', 4)])).toEqual(['w2', 'w3'])
  })

  it('choose nothing but the error: what was altered is refused, whatever they say', async () => {
    const { on, stored } = await synced()
    const { version } = (await on.store.get('keyring/default')) ?? expect.unreachable()
    const text = new TextDecoder().decode(await stored())
    const put = (next: string) => on.store.put('keyring/default', new TextEncoder().encode(next), version)
    await put(text.replace('"lost":0', '"lost":1'))
    expect(await authorityOn(on).read('default', 0)).toMatchObject({ error: { code: 'ERR_RECORD_INVALID' } })
  })

  it('of a record in the place of another keyring are not read: its key is right, and its place is wrong', async () => {
    const { on, stored } = await synced()
    await on.store.put('keyring/orders', await stored(), 0)
    const read = await authorityOn(on, [W1], ['default', 'orders']).read('orders', 0)
    expect(read).toMatchObject({ ok: false, error: { code: 'ERR_RECORD_INVALID' } })
  })

  it('take an id that JavaScript has a meaning for as any other', async () => {
    const on = world(['a:1'])
    const odd = ['constructor', '__proto__'].map((id, at) => wrappingKey(id, at + 5))
    for (const keys of [odd.slice(0, 1), odd.toReversed(), odd])
      expect(await authorityOn(on, keys).sync('default', PLAIN_SYNC)).toMatchObject({ ok: true })
    expect(
      await checksOf(unwrap(await authorityOn(on, odd).read('default', 0)) as Uint8Array<ArrayBuffer>, odd),
    ).toEqual(['constructor', '__proto__'])
  })
})

describe.each(CIPHERS)('a check, through $name', ({ cipher, hash }) => {
  it('is the one that docs/formats.md specifies, from the wrapping key and from the derived key alone', async () => {
    const root = await cipher.derive(new Uint8Array(32).fill(1), 'keyring/default', 32)
    const check = Buffer.from(await cipher.derive(root, 'ekr1/check', 16)).toString('base64url')
    const derived = { id: 'w1', purpose: 'keyring/default', key: new Secret(Buffer.from(root).toString('base64')) }
    for (const key of [W1, derived]) expect((await sealers(cipher, hash, [key], 'default')).first.check).toBe(check)
  })
})

describe('where nothing can be stopped', () => {
  it('the log names each keyring and wrapping key at the first use, once', async () => {
    const { on } = await synced()
    await authorityOn(on, [W1], ['orders']).sync('orders', PLAIN_SYNC)
    const lines: string[] = []
    const told = tellingAuthority(authorityOn(on, [W2], ['default', 'orders']), (line) => lines.push(line))
    for (const keyring of ['default', 'orders', 'default'])
      for (const call of ['read', 'syncIfDue'] as const) await told.call({ call, keyring, known: 0 })
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject(
      ['default', 'orders'].map((keyring) => ({
        part: 'settings',
        code: 'ERR_WRAPPING_KEY_MISSING',
        message: `The record of keyring "${keyring}" needs the wrapping key "w1", which is not configured.`,
      })),
    )
    expect(await wrappingTroubles(told, ['default', 'orders'])).toHaveLength(2)
    expect(await wrappingTroubles(authorityOn(on), ['default'])).toEqual([])
  })
})
