/** The table of README.md, operation by warm and cold, Vault up and down: each of its cells, on Node and on workerd. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestHarness } from 'wrangler'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import { isolate } from '../support/isolates.ts'
import { vaultClient } from '../support/vault.ts'
import { startNode } from './driver.ts'
import type { Deployment } from './driver.ts'
import { settingsOf } from '../support/settings.ts'

const TOKEN = 'ek_of_no_importance'
const COLUMNS = ['Vault up, warm', 'Vault up, cold', 'Vault down, warm', 'Vault down, cold'] as const

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}
/** GET without a body, else POST. */
type Call = (path: string, body?: object) => Promise<Answer>

const cells = (line: string) =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('`', ''))

function tableOf(readme: string) {
  const [, section = ''] = readme.split('## When Vault is down\n')
  const [head = [], , ...rows] = (section.split('\n## ')[0] ?? '')
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map(cells)
  return { columns: head.slice(1), rows: rows.map(([operation = '', ...said]) => ({ operation, said })) }
}
const TABLE = tableOf(readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8'))

/** What each row does, on a keyring of its own: nothing of it is held by an instance that has just started. */
const OPERATIONS: Readonly<Record<string, (call: Call, keyring: string, ciphertext: string) => Promise<Answer>>> = {
  encrypt: (call, keyring) => call(`/keyrings/${keyring}/encrypt`, { plaintext: 'x' }),
  decrypt: (call, keyring, ciphertext) => call(`/keyrings/${keyring}/decrypt`, { ciphertext }),
  'list, status': (call, keyring) => call(`/keyrings/${keyring}`),
  '/readyz': (call) => call('/readyz'),
  sync: (call, keyring) => call(`/keyrings/${keyring}/sync`, {}),
  rotate: (call, keyring) => call(`/keyrings/${keyring}/rotate`, {}),
}
const RINGS = Object.keys(OPERATIONS).map((_, at) => `ring-${at}`)

const settings = (address: string) => ({
  ...settingsOf(address, TOKEN),
  KEYRINGS: JSON.stringify(RINGS.map((name) => ({ name, path: name }))),
})

const caller =
  (send: (path: string, init: RequestInit) => Promise<{ readonly status: number; text(): Promise<string> }>): Call =>
  async (path, body) => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
    const more = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
    const response = await send(path, { headers, ...more })
    const text = await response.text()
    return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
  }

interface Running {
  readonly warm: Call
  /** An instance that has just started. */
  cold(): Promise<Call>
  stop(): Promise<void>
}

async function onNode(address: string): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  const all: Deployment[] = []
  const start = async (): Promise<Call> => {
    const started = await startNode({ ...settings(address), KEYRING_DATABASE: join(folder, 'db') })
    all.push(started)
    return caller((path, init) => fetch(started.url + path, init))
  }
  return {
    warm: await start(),
    cold: start,
    async stop() {
      for (const each of all) await each.stop()
      rmSync(folder, { recursive: true })
    },
  }
}

/** Isolates beside one Durable Object, which starts anew as well. */
async function onWorkerd(address: string): Promise<Running> {
  const cold = ['second', 'third']
  const harness = createTestHarness({
    workers: ['first', ...cold].map((name) => isolate(name, 'functions/cloudflare/worker.ts', settings(address))),
  })
  await harness.listen()
  const asked = (name: string) => caller((path, init) => harness.getWorker(name).fetch(path, init as never))
  return {
    warm: asked('first'),
    async cold() {
      await harness.getWorker('first').evictDurableObject('KeyringObject', { name: 'keyring' })
      return asked(cold.shift() ?? expect.unreachable('No isolate is left.'))
    },
    stop: () => harness.close(),
  }
}

it('has a row for each operation, and a column for each state', () => {
  expect(TABLE.columns).toEqual(COLUMNS)
  expect(TABLE.rows.map(({ operation }) => operation)).toEqual(Object.keys(OPERATIONS))
})

describe.each([
  ['Node', onNode],
  ['workerd', onWorkerd],
])('%s', (_name, open) => {
  let vault: DevVault
  let running: Running
  const ciphertexts = new Map<string, string>()

  beforeAll(async () => {
    vault = await startDevVault({ port: 0, dataFile: null })
    const client = vaultClient(vault.address, 'root')
    for (const name of ['keyring', ...RINGS])
      await client.write(name, { id: `key-of-${name}`, key: `a key of ${name}: 0123456789abcdefghijklmnopqrst` })
    running = await open(vault.address)
    for (const name of ['default', ...RINGS]) {
      await running.warm(`/keyrings/${name}/sync`, {})
      const { body } = await running.warm(`/keyrings/${name}/encrypt`, { plaintext: 'x' })
      ciphertexts.set(name, String(body['ciphertext']))
    }
  }, 120_000)
  afterAll(async () => {
    await running.stop()
    await vault.close()
  })

  describe.each(COLUMNS.map((column, at) => ({ column, at })))('$column', ({ column, at }) => {
    let call: Call
    beforeAll(async () => {
      if (column === 'Vault down, warm') await vault.close()
      call = column.endsWith('cold') ? await running.cold() : running.warm
    }, 60_000)

    it.each(
      TABLE.rows.map(({ operation, said }, row) => ({ operation, says: said[at] ?? '', ring: RINGS[row] ?? '' })),
    )(
      '$operation: $says',
      async ({ operation, says, ring }) => {
        const { status } = await (OPERATIONS[operation] ?? expect.unreachable())(
          call,
          ring,
          ciphertexts.get(ring) ?? '',
        )
        expect(status < 300 ? 'works' : `${status}`).toBe(says)
      },
      30_000,
    )
  })
})
