/** The sync against a real OpenBao, and the record at its largest. */
import { nodeCipher, nodeHash } from '../functions/nodejs/cipher.ts'
import { systemClock } from '../functions/nodejs/clock.ts'
import { createAuthority } from '../src/app.ts'
import { parseConfig } from '../src/config/config.ts'
import type { KeyringAuthority, RecordStore } from '../src/core/ports.ts'
import { sealers } from '../src/crypto/seal.ts'
import { memoryStore } from '../src/keyring/memory-store.ts'
import { verifyRecord } from '../src/keyring/record.ts'
import { View } from '../src/keyring/snapshot.ts'
import { PLAIN_SYNC, authorityOn, world, wrappingKey } from '../test/support/authority.ts'
import { findOpenBao, startOpenBao } from '../test/vault/openbao.ts'
import { median } from './child.ts'

const SIZES = [1, 10, 100, 900]

export async function benchSync(): Promise<object[]> {
  const server = await startOpenBao(await findOpenBao())
  const call = (path: string, body: unknown) =>
    fetch(`${server.address}/v1/${path}`, {
      method: 'POST',
      headers: { 'X-Vault-Token': server.token },
      body: JSON.stringify(body),
    })
  try {
    const rows: object[] = []
    for (const size of SIZES) {
      await call(`secret/metadata/ring-${size}`, { max_versions: 1000 })
      for (let version = 1; version <= size; version += 1)
        await call(`secret/data/ring-${size}`, {
          data: { id: `key-${version}`, key: `key ${version} of no importance 0123456789abcdef` },
        })
      rows.push(await timeSync(authority(server, `ring-${size}`, memoryStore()), size))
    }
    return rows
  } finally {
    await server.close()
  }
}

function authority(server: { address: string; token: string }, path: string, store: RecordStore): KeyringAuthority {
  const parsed = parseConfig({
    KEYRING_VAULT_HOST: server.address,
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: path,
    KEYRING_VAULT_TOKEN: server.token,
    KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
    KEYRING_API_TOKEN: 'of-no-importance',
  })
  if (!parsed.ok || parsed.config === null) throw new Error('The settings are wrong.')
  return createAuthority(parsed.config, {
    cipher: nodeCipher,
    hash: nodeHash,
    clock: systemClock,
    store,
    fetch: (request) => fetch(request),
    encryptBoundMs: 1000,
  })
}

async function timeSync(on: KeyringAuthority, versions: number): Promise<object> {
  const timed = async () => {
    const began = performance.now()
    const result = await on.sync('default', PLAIN_SYNC)
    if (!result.ok) throw new Error(result.error.message)
    return { ms: Number((performance.now() - began).toFixed(1)), requests: result.value.requests }
  }
  const [first, again] = [await timed(), await timed()]
  return {
    versions,
    'first ms': first.ms,
    requests: first.requests,
    'nothing new ms': again.ms,
    'requests then': again.requests,
  }
}

const RUNS = 20

/** 1,000 keys with ids of 64 characters. */
export async function benchRecord(): Promise<object[]> {
  const on = world(Array.from({ length: 1000 }, (_, index) => `${String(index).padStart(64, 'k')}:${index}`))
  const keys = [wrappingKey('w1', 1)]
  for (const keyring = authorityOn(on, keys); ;) {
    const synced = await keyring.sync('default', PLAIN_SYNC)
    if (!synced.ok) throw new Error(synced.error.message)
    if (synced.value.remaining === 0) break
  }
  const bytes = (await on.store.get('keyring/default'))?.bytes ?? new Uint8Array()
  const set = await sealers(nodeCipher, nodeHash, keys, 'default')
  const times = { verify: [] as number[], open: [] as number[] }
  for (let run = 0; run < RUNS; run += 1) {
    const began = performance.now()
    const verified = await verifyRecord(set, 'default', bytes)
    const parsed = performance.now()
    await new View(verified).key(nodeCipher, set, verified.record.keys[run]?.id ?? '')
    times.verify.push(parsed - began)
    times.open.push(performance.now() - parsed)
  }
  return [
    {
      keys: 1000,
      KiB: Math.round(bytes.length / 1024),
      'MAC and parse ms': Number(median(times.verify).toFixed(2)),
      'one key opened ms': Number(median(times.open).toFixed(2)),
    },
  ]
}
