/** The record at its largest, 1,000 keys with ids of 64 characters, and the status of its keyring. */
import { nodeCipher, nodeHash } from '../functions/node-shared/cipher.ts'
import { nodeNonces } from '../functions/node-shared/nonces.ts'
import { systemClock } from '../src/core/clock.ts'
import { MAX_RECORD_BYTES } from '../src/core/limits.ts'
import type { Bytes } from '../src/core/bytes.ts'
import type { SealerSet } from '../src/crypto/seal.ts'
import { sealers } from '../src/crypto/seal.ts'
import { Keyring } from '../src/keyring/keyring.ts'
import { verifyRecord } from '../src/keyring/record.ts'
import { View } from '../src/keyring/view.ts'
import { MAX_RECORD_AGE_MS, PLAIN_SYNC, authorityOn, world, wrappingKey } from '../test/support/authority.ts'
import { costsOf } from './calls.ts'
import type { Row } from './measure.ts'
import { median, rounded, wanted } from './measure.ts'

const KEYS = 1000
const ID_LENGTH = 64
/** One sync reads 900 new versions at most. */
const SYNCS = 2
const RUNS = 20
const STATUS_MS = 100
const MAX_VERIFY_MS = 10
const MAX_OPEN_MS = 2
const MAX_STATUS_MS = 0.1
const WRAPPING_KEYS = [wrappingKey('w1', 1)]

export async function benchRecord(): Promise<Row[]> {
  const { bytes, keyring } = await largeRecord()
  const set = await sealers(nodeCipher, nodeHash, WRAPPING_KEYS, 'default')
  const runs: { verify: number; open: number }[] = []
  for (let run = 0; run < RUNS; run += 1) runs.push(await once(set, bytes, run))
  const verify = median(runs.map((run) => run.verify))
  const open = median(runs.map((run) => run.open))
  const costs = await costsOf({ status: () => keyring.status() }, { rounds: RUNS, ms: STATUS_MS })
  const status = median(costs.status.map(({ cpuUs }) => cpuUs)) / 1000
  return [
    { what: 'size, KiB', value: rounded(bytes.length / 1024, 1), ...wanted('≤ 350', bytes.length <= MAX_RECORD_BYTES) },
    { what: 'MAC and parse, ms', value: rounded(verify, 2), ...wanted('< 10', verify < MAX_VERIFY_MS) },
    { what: 'one key opened, ms', value: rounded(open, 2), ...wanted('< 2', open < MAX_OPEN_MS) },
    { what: 'status, ms of CPU', value: rounded(status, 3), ...wanted('< 0.1', status < MAX_STATUS_MS) },
  ]
}

async function largeRecord(): Promise<{ bytes: Bytes; keyring: Keyring }> {
  const on = world(Array.from({ length: KEYS }, (_, index) => `${String(index).padStart(ID_LENGTH, 'k')}:${index}`))
  const authority = authorityOn(on, WRAPPING_KEYS)
  for (let sync = 0; sync < SYNCS; sync += 1) {
    const synced = await authority.sync('default', PLAIN_SYNC)
    if (!synced.ok) throw new Error(synced.error.message)
  }
  const stored = await on.store.get('keyring/default')
  if (stored === null) throw new Error('There is no record.')
  return { bytes: stored.bytes, keyring: await opened(authority) }
}

function opened(authority: ReturnType<typeof authorityOn>): Promise<Keyring> {
  const always = { freshMs: Number.MAX_SAFE_INTEGER, backgroundMs: Number.MAX_SAFE_INTEGER, pauseMs: 0 }
  return Keyring.open('default', {
    authority,
    cipher: nodeCipher,
    hash: nodeHash,
    nonces: nodeNonces,
    clock: systemClock,
    wrappingKeys: WRAPPING_KEYS,
    replica: null,
    background: null,
    audit: { note: () => {} },
    freshness: always,
    ages: { stampMs: always.freshMs, recordMs: MAX_RECORD_AGE_MS },
    siblings: 1,
  })
}

/** Another key in each run: none is held already. */
async function once(set: SealerSet, bytes: Bytes, run: number): Promise<{ verify: number; open: number }> {
  const began = performance.now()
  const verified = await verifyRecord(set, 'default', bytes)
  const parsed = performance.now()
  const { keys } = verified.record
  if (keys.length !== KEYS) throw new Error(`The record has ${keys.length} keys.`)
  const view = new View(verified)
  const opening = performance.now()
  if ((await view.key(nodeCipher, set, keys[run]?.id ?? '')) === null) throw new Error('There is no such key.')
  return { verify: parsed - began, open: performance.now() - opening }
}
