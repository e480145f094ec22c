/** Calls by RPC in the audit log, and a defect among them. */
import { expect, it } from 'vitest'
import type { AuditEvent } from '../../src/core/ports.ts'
import { refusal } from '../../src/core/errors.ts'
import { rpcOf } from '../../src/http/rpc.ts'
import { Secrets } from '../../src/secrets/secrets.ts'
import { PLAIN_SYNC, keyringOn, world } from '../support/authority.ts'

async function opened(props: unknown) {
  const on = world(['k1:1'])
  const keyring = await keyringOn(on)
  await keyring.sync(PLAIN_SYNC)
  const [events, defects]: [AuditEvent[], unknown[]] = [[], []]
  const audit = { note: (event: AuditEvent) => void events.push(event), commit: async () => {} }
  const onDefect = (error: unknown) => void defects.push(error)
  return { rpc: rpcOf({ keyring: () => keyring, audit, clock: on.clock, onDefect }, props), keyring, events, defects }
}

it('has each call under the name of its binding, and the number of items', async () => {
  const { rpc, events } = await opened({ name: 'orders', grants: ['encrypt'] })
  await rpc.encrypt({ plaintext: 'x' })
  await rpc.encryptBatch({ items: [{ plaintext: 'x' }, { plaintext: 'y' }, {} as never] })
  await rpc.decrypt({ ciphertext: 'x' })
  const common = { caller: 'rpc:orders', keyring: 'default', action: 'encrypt' }
  expect(events).toMatchObject([
    { ...common, outcome: 'ok', keyId: 'k1', count: 1 },
    { ...common, outcome: 'ok', keyId: 'k1', count: 2 },
    { ...common, outcome: 'failed', code: 'ERR_REQUEST_INVALID', keyId: null, count: 1 },
    { ...common, action: 'decrypt', outcome: 'refused', code: 'ERR_FORBIDDEN' },
  ])
  expect(new Set(events.map(({ request }) => request)).size).toBe(3)
})

it.each([[undefined], [null], ['admin'], [{ grants: [['admin']] }], [{ name: 'a b', grants: {} }]])(
  'grants nothing for the props %o',
  async (props) => {
    const { rpc, events } = await opened(props)
    expect(await rpc.encrypt({ plaintext: 'x' })).toMatchObject({ ok: false, error: { code: 'ERR_FORBIDDEN' } })
    expect(events).toMatchObject([{ caller: 'rpc', outcome: 'refused' }])
  },
)

it.each(['encrypt:orders', 'admin:orders', 'decrypt'])(
  'lets nobody into another keyring, or to another action, for %s',
  async (grant) => {
    const { rpc } = await opened({ grants: [grant] })
    const forbidden = { ok: false, error: { code: 'ERR_FORBIDDEN' } }
    expect(await rpc.encrypt({ plaintext: 'x' })).toMatchObject(forbidden)
    expect(await rpc.encrypt({ plaintext: 'x', keyring: 'default' })).toMatchObject(forbidden)
    expect(await rpc.encryptBatch({ items: [{ plaintext: 'x' }] })).toMatchObject(forbidden)
    expect(await rpc.encrypt({ plaintext: 'x', keyring: ['orders'] as never })).toMatchObject({ ok: false })
  },
)

it('refuses bytes and texts in place of an item, each by itself, and lists none of their parts', async () => {
  const { rpc } = await opened({ grants: ['encrypt'] })
  const bytes = new Proxy(new Uint8Array(8), { ownKeys: () => expect.unreachable('Somebody lists them.') })
  const odd = [bytes, 'text', 7, null, undefined, [{ plaintext: 'x' }]] as never[]
  const answer = await rpc.encryptBatch({ items: [...odd, { plaintext: 'x' }] })
  const refused = odd.map(() => ({ ok: false, error: { code: 'ERR_REQUEST_INVALID' } }))
  expect(answer).toMatchObject({ ok: true, value: [...refused, { ok: true }] })
})

it('tells the log of a defect, and the caller nothing of it', async () => {
  const { rpc, keyring, defects } = await opened({ grants: ['admin'] })
  const defect = new TypeError('canary')
  keyring.encrypt = () => {
    throw defect
  }
  const answer = await rpc.encrypt({ plaintext: 'x' })
  expect([answer, defects]).toMatchObject([{ ok: false, error: { code: 'ERR_INTERNAL' } }, [defect]])
  expect(JSON.stringify(answer)).not.toContain('canary')
})

it('resolves the references that its grants cover, and audits how many of which vault came to what', async () => {
  const { keyring } = await opened({})
  const events: AuditEvent[] = []
  const audit = { note: (event: AuditEvent) => void events.push(event), commit: async () => {} }
  const clock = world([]).clock
  const secrets = new Secrets({
    authority: { call: async () => refusal('ERR_VAULT_UNREACHABLE', 'Down.') },
    clock,
    sealer: () => Promise.reject(new TypeError('Nobody opens anything.')),
    entities: new Map(),
    freshMs: 0,
  })
  const vaults = { secrets, views: [], overview: null }
  const rpc = (grants: readonly string[]) =>
    rpcOf({ keyring: () => keyring, audit, clock, onDefect: () => {}, vaults }, { grants })
  const references = ['{vault://hcv/db/password}', '{vault://other/db/password}']
  expect(await rpc(['resolve:hcv/**']).resolve({ references })).toMatchObject({
    ok: true,
    value: [
      { ok: false, error: { code: 'ERR_REFERENCE_VAULT_UNKNOWN' } },
      { ok: false, error: { code: 'ERR_FORBIDDEN' } },
    ],
  })
  expect(await rpc(['encrypt']).resolve({ references })).toMatchObject({ ok: false, error: { code: 'ERR_FORBIDDEN' } })
  expect(await rpc(['admin']).resolve({ references: [7] as never })).toMatchObject({
    ok: false,
    error: { code: 'ERR_REQUEST_INVALID' },
  })
  expect(events).toMatchObject([
    { action: 'resolve', keyring: null, code: 'ERR_REFERENCE_VAULT_UNKNOWN', count: 1 },
    { action: 'resolve', code: 'ERR_FORBIDDEN', count: 1, outcome: 'refused' },
    { action: 'resolve', code: 'ERR_FORBIDDEN', outcome: 'refused' },
    { action: 'resolve', code: 'ERR_REQUEST_INVALID', outcome: 'failed' },
  ])
  expect(JSON.stringify(events)).not.toContain('password')
})
