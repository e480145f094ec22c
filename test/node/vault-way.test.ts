/** The one way to Vault where there is Node, with TLS settings and without: what is packed, which addresses are tried, how they are written. */
import dns from 'node:dns'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { probeOf } from '../../functions/node-shared/probe.ts'
import { vaultFetch } from '../../functions/node-shared/vault-fetch.ts'
import { systemClock } from '../../src/core/clock.ts'
import { vaultTransport } from '../../src/vault/wire/transport.ts'
import { authority } from '../support/certificates.ts'
import { nodeServer } from '../support/node-server.ts'
import type { SlowListener } from '../support/slow-listener.ts'
import { DEAD, SLOW, slowListener } from '../support/slow-listener.ts'
import { configOf } from '../support/syncing.ts'

type Env = Readonly<Record<string, string>>
const CLOCK = { now: () => Date.now(), sleep: async () => {} }

const listening = (server: Server, host = '127.0.0.1') =>
  new Promise<number>((resolve) => server.listen(0, host, () => resolve((server.address() as AddressInfo).port)))

/** One read of the transport, by the way that these settings give. */
async function read(settings: Env, path: string) {
  const { vault } = configOf({ KEYRING_VAULT_TOKEN: 'of-no-importance', ...settings })
  if (vault === null) throw new Error('There is a Vault in the settings.')
  const way = vaultFetch(vault)
  const transport = vaultTransport({ ...vault, namespace: '', clock: CLOCK, fetch: way.fetch })
  try {
    return await transport.get({ segments: [path], token: null, signal: new AbortController().signal })
  } finally {
    await way.close()
  }
}

const DATA = { data: { text: 'x'.repeat(1000) } }
const JSON_TEXT = JSON.stringify(DATA)
/** More than an answer may have, in a few KiB. */
const BOMB = gzipSync(Buffer.alloc(5 * 1024 * 1024, ' '))

const ANSWERS: Readonly<Record<string, { status?: number; encoding?: string; body: string | Buffer }>> = {
  plain: { body: JSON_TEXT },
  gzip: { encoding: 'gzip', body: gzipSync(JSON_TEXT) },
  'x-gzip': { encoding: 'x-gzip', body: gzipSync(JSON_TEXT) },
  deflate: { encoding: 'deflate', body: deflateSync(JSON_TEXT) },
  brotli: { encoding: 'br', body: brotliCompressSync(JSON_TEXT) },
  zstd: { encoding: 'ZSTD', body: zstdCompressSync(JSON_TEXT) },
  both: { encoding: 'gzip, br', body: brotliCompressSync(gzipSync(JSON_TEXT)) },
  identity: { encoding: 'identity', body: JSON_TEXT },
  denied: { status: 403, encoding: 'gzip', body: gzipSync(JSON.stringify({ errors: ['permission denied'] })) },
  bomb: { encoding: 'gzip', body: BOMB },
  twice: { encoding: 'gzip, gzip', body: gzipSync(BOMB) },
  torn: { encoding: 'gzip', body: gzipSync(JSON_TEXT).subarray(0, 40) },
  unlike: { encoding: 'gzip', body: '<html>' },
  unknown: { encoding: 'own', body: JSON_TEXT.slice(1) },
  odd: { status: 999, body: JSON_TEXT },
  reset: { status: 205, body: JSON_TEXT },
}

const answer: RequestListener = ({ url }, response) => {
  const { status = 200, encoding, body } = ANSWERS[url?.replace('/v1/', '') ?? ''] ?? { body: '' }
  response.writeHead(status, { 'content-type': 'application/json', ...(encoding && { 'content-encoding': encoding }) })
  response.end(body)
}

describe.each(['http', 'https with an authority'])('an answer by %s', (name) => {
  let server: Server
  let settings: Env
  beforeAll(async () => {
    const ca = await authority('Vault authority')
    const own = await ca.issue('vault', { hosts: ['127.0.0.1'] })
    server = name === 'http' ? createServer(answer) : createTlsServer(own, answer)
    const scheme = name === 'http' ? 'http' : 'https'
    settings = { KEYRING_VAULT_HOST: `${scheme}://127.0.0.1:${await listening(server)}`, KEYRING_VAULT_CACERT: ca.cert }
  })
  afterAll(() => server.close())

  it.each(['plain', 'gzip', 'x-gzip', 'deflate', 'brotli', 'zstd', 'both', 'identity'])(
    'is unpacked: %s',
    async (path) => expect(await read(settings, path)).toMatchObject({ status: 200, body: DATA }),
  )

  it('is unpacked where it is a refusal', async () => {
    await expect(read(settings, 'denied')).rejects.toMatchObject({ code: 'ERR_VAULT_DENIED' })
  })

  it.each(['bomb', 'twice', 'torn', 'unlike', 'unknown'])(
    'is no answer where it cannot be, or is too much: %s',
    async (path) => {
      await expect(read(settings, path)).rejects.toMatchObject({
        code: 'ERR_VAULT_ANSWER_INVALID',
        facts: { step: 'read' },
      })
    },
  )

  it.each(['odd', 'reset'])('that HTTP does not have is an outage, not a defect: %s', async (path) => {
    await expect(read(settings, path)).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_VAULT_/) })
  })
})

describe('a host with several addresses', () => {
  let listener: SlowListener
  afterEach(() => {
    vi.restoreAllMocks()
    listener.close()
  })

  /** A name of that host is resolved to these, in this order. The slow one accepts once it has dropped what came first. */
  function resolving(...addresses: readonly string[]) {
    const all = addresses.map((address) => ({ address, family: 4 }))
    const lookup = (...given: readonly unknown[]): void => {
      const done = given.at(-1) as (error: null, all: readonly dns.LookupAddress[]) => void
      done(null, all)
      listener.accept()
    }
    return vi.spyOn(dns, 'lookup').mockImplementation(lookup)
  }

  it.each([
    ['one that is far away and a dead one', [SLOW, DEAD]],
    ['a dead one and one that is far away', [DEAD, SLOW]],
  ])('is reached at the first attempt, within the time of the settings: %s', async (_name, addresses) => {
    listener = await slowListener()
    const lookups = resolving(...addresses)
    const settings = {
      KEYRING_VAULT_HOST: `http://vault.example:${listener.port}`,
      KEYRING_VAULT_ALLOW_HTTP: 'true',
      KEYRING_VAULT_TIMEOUT_MS: '16000',
    }
    expect(await read(settings, 'sys')).toMatchObject({ status: 200 })
    expect(lookups).toHaveBeenCalledTimes(1)
  })
})

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))
describe.skipIf(!hasIpv6)('an IPv6 address', () => {
  it("of Vault is reached, and shown with its brackets in the doctor's words and in errors", async () => {
    const server = createServer((_request, response) => response.end('{}'))
    const address = `http://[::1]:${await listening(server, '::1')}`
    expect(await read({ KEYRING_VAULT_HOST: address }, 'sys')).toMatchObject({ status: 200 })
    const { vault } = configOf({ KEYRING_VAULT_HOST: address, KEYRING_VAULT_TOKEN: 'of-no-importance' })
    const look = probeOf(vault, systemClock)
    const { signal } = new AbortController()
    expect(await look?.(signal)).toMatchObject([{ outcome: 'ok', detail: '[::1] is [::1].' }, { outcome: 'ok' }])
    await new Promise((resolve) => server.close(resolve))
    const message = expect.stringMatching(/^Vault at \[::1\]:\d+ refuses connections\.$/)
    await expect(read({ KEYRING_VAULT_HOST: address }, 'sys')).rejects.toMatchObject({ message })
    expect(await look?.(signal)).toMatchObject([{}, { check: 'tcp', outcome: 'failed', detail: message }])
  })

  it.each(['::1', '::'])('on which the server listens is said with its brackets: %s', async (HOST) => {
    const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-way-'))
    const server = await nodeServer({
      HOST,
      KEYRING_API_TOKEN: 'of-no-importance'.repeat(2),
      KEYRING_VAULT_HOST: 'http://127.0.0.1:1',
      KEYRING_DATABASE: join(folder, 'db'),
    })
    const said = server.said()
    await server.end('SIGKILL')
    rmSync(folder, { recursive: true })
    expect(said).toContain(`"listening":"[${HOST}]:${server.port}"`)
  })
})
