/** One revision of a record: a key is the one that the record commits to, also where an earlier revision has opened it. */
import { expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { sealers } from '../../src/crypto/seal.ts'
import type { VerifiedRecord } from '../../src/keyring/record.ts'
import { recordName, verifyRecord } from '../../src/keyring/record.ts'
import { View } from '../../src/keyring/view.ts'
import { PLAIN_SYNC, authorityOn, world, wrappingKey } from '../support/authority.ts'

async function synced() {
  const on = world(['k1:1', 'k2:2'])
  await authorityOn(on).sync('default', PLAIN_SYNC)
  const set = await sealers(nodeCipher, nodeHash, [wrappingKey('w1', 1)], 'default')
  const stored = await on.store.get(recordName('default'))
  if (stored === null) throw new Error('There is no record.')
  return { set, verified: await verifyRecord(set, 'default', stored.bytes) }
}

/** As a fault of ours would write it: nobody else can. */
function confused({ record, ...rest }: VerifiedRecord): VerifiedRecord {
  const [first, second] = record.keys
  if (first === undefined || second === undefined) throw new Error('There are two keys.')
  return { ...rest, record: { ...record, keys: [{ ...first, commit: second.commit }, second] } }
}

it('refuses a key that is not the one that the record commits to', async () => {
  const { set, verified } = await synced()
  const open = async () => new View(confused(verified)).key(nodeCipher, set, 'k1')
  await expect(open()).rejects.toMatchObject({ code: 'ERR_RECORD_INVALID' })
})

it('takes over the keys that are the same, and no other one of the same id', async () => {
  const { set, verified } = await synced()
  const earlier = new View(verified)
  const [, k2] = [await earlier.key(nodeCipher, set, 'k1'), await earlier.key(nodeCipher, set, 'k2')]
  const later = new View(confused(verified)).inherit(earlier)
  expect(later.key(nodeCipher, set, 'k2')).toBe(k2)
  const open = async () => later.key(nodeCipher, set, 'k1')
  await expect(open()).rejects.toMatchObject({ code: 'ERR_RECORD_INVALID' })
})
