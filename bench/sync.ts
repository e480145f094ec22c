/** The first sync of a secret with many versions, and one with nothing new: a real OpenBao, a store in memory. */
import { startDevVault } from '../functions/dev-vault/server.ts'
import { nodeCipher, nodeHash } from '../functions/node-shared/cipher.ts'
import { systemClock } from '../src/core/clock.ts'
import { createAuthority } from '../src/app.ts'
import { parseConfig } from '../src/config/config.ts'
import type { KeyringAuthority } from '../src/core/operations.ts'
import { memoryStore } from '../src/keyring/memory-store.ts'
import { rare } from '../src/rare.ts'
import { PLAIN_SYNC } from '../test/support/authority.ts'
import { findOpenBao, startOpenBao } from '../test/vault/openbao.ts'
import type { Row } from './measure.ts'
import { rounded, wanted, withEnds } from './measure.ts'

const SIZES = [1, 10, 100, 900]
const MAX_VERSIONS = 1000
const MAX_MS = 5000
const WRITE_MS = 10_000

interface Server {
  readonly name: string
  readonly address: string
  readonly token: string
  readonly close: () => Promise<void>
}

export function benchSync(): Promise<Row[]> {
  return withEnds(async (onEnd) => {
    const server = await startServer()
    onEnd(server.close)
    const rows: Row[] = []
    for (const size of SIZES) {
      await writeVersions(server, `ring-${size}`, size)
      rows.push(await measured(server, size))
    }
    return rows
  })
}

async function startServer(): Promise<Server> {
  const binary = await findOpenBao().catch((error: unknown) => {
    console.log(`No OpenBao, so the dev Vault stands in: ${error instanceof Error ? error.message : 'unknown'}`)
    return null
  })
  if (binary !== null) return { name: 'OpenBao', ...(await startOpenBao(binary)) }
  const { address, close } = await startDevVault({ port: 0, dataFile: null })
  return { name: 'dev Vault', address, token: 'root', close }
}

async function writeVersions(server: Server, path: string, count: number): Promise<void> {
  await post(server, `secret/metadata/${path}`, { max_versions: MAX_VERSIONS })
  for (let version = 1; version <= count; version += 1)
    await post(server, `secret/data/${path}`, {
      data: { id: `key-${version}`, key: `key ${version} of no importance 0123456789abcdef` },
    })
}

async function post({ address, token }: Server, path: string, body: object): Promise<void> {
  const response = await fetch(`${address}/v1/${path}`, {
    method: 'POST',
    headers: { 'X-Vault-Token': token },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(WRITE_MS),
  })
  await response.body?.cancel()
  if (!response.ok) throw new Error(`POST ${path} answered ${response.status}`)
}

async function measured(server: Server, versions: number): Promise<Row> {
  const authority = authorityFor(server, `ring-${versions}`)
  const first = await timedSync(authority)
  const again = await timedSync(authority)
  return {
    server: server.name,
    versions,
    'first ms': first.ms,
    requests: first.requests,
    'nothing new ms': again.ms,
    'requests then': again.requests,
    ...(versions === 900 && wanted(`first < ${MAX_MS} ms`, first.ms < MAX_MS)),
  }
}

function authorityFor(server: Server, path: string): KeyringAuthority {
  const parsed = parseConfig(
    {
      KEYRING_VAULT_HOST: server.address,
      KEYRING_VAULT_MOUNT: 'secret',
      KEYRING_VAULT_PATH: path,
      KEYRING_VAULT_TOKEN: server.token,
      KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
      KEYRING_API_TOKEN: 'of-no-importance',
    },
    'node',
  )
  if (!parsed.ok || parsed.config === null) throw new Error('The settings are wrong.')
  return createAuthority(parsed.config, {
    cipher: nodeCipher,
    hash: nodeHash,
    clock: systemClock,
    store: memoryStore(),
    replica: null,
    fetch: (request) => fetch(request),
    readFile: null,
    audit: { note: () => {}, commit: async () => {} },
    probe: null,
    loadRare: () => rare,
    syncBatch: 900,
    leftMs: () => Number.POSITIVE_INFINITY,
    log: () => {},
  })
}

async function timedSync(authority: KeyringAuthority): Promise<{ ms: number; requests: number }> {
  const began = performance.now()
  const result = await authority.call({ call: 'sync', keyring: 'default', options: PLAIN_SYNC })
  const ms = rounded(performance.now() - began, 1)
  if (!result.ok) throw new Error(result.error.message)
  if (result.value.remaining > 0) throw new Error(`${result.value.remaining} versions were left for another sync.`)
  return { ms, requests: result.value.requests }
}
