/** The vaults behind references in the status and the doctor of a keyring: numbers, what is needed, and nothing for whoever is limited to one. */
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { KeyringError } from '../../src/core/errors.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import { runSchedule } from '../../src/keyring/schedule.ts'
import { overviewOf } from '../../src/http/vaults-status.ts'
import type { Keyring } from '../../src/keyring/keyring.ts'
import type { AuditEvent } from '../../src/core/ports.ts'
import { auditLine } from '../../src/core/lines.ts'
import { httpOn } from '../support/http.ts'
import { NOW } from '../support/observed.ts'
import { outage, secretWorld, valueOrCode } from '../support/secrets.ts'

let on: ReturnType<typeof secretWorld>
let grants: string[]
let events: AuditEvent[]
beforeEach(() => {
  grants = ['admin']
  events = []
  on = secretWorld({}, {}, { listed: [{ resource: 'canary-listed', version: null, key: 'a', entry: 4 }] })
})

/** A keyring of which all is well. */
const KEYRING = {
  name: 'orders',
  status: async () => ({ keyring: 'orders', keys: [], needed: [] }),
  diagnose: async () => ({ time: NOW, findings: [{ check: 'server', outcome: 'ok', detail: 'All is well.' }] }),
  warning: null,
  ending: null,
} as unknown as Keyring

async function call(path: string, body?: object, { broken = [] as string[] } = {}) {
  const { fetch } = httpOn({
    authenticate: () => ({ name: 'test', grants: new Set(grants) }),
    keyring: () => KEYRING,
    vaults: { secrets: on.secrets, views: [], overview: overviewOf(on.secrets, broken) },
    audit: { note: (event) => void events.push(event), commit: async (event) => void events.push(event) },
    clock: on.clock,
  })
  const headers = { authorization: 'Bearer x', 'content-type': 'application/json' }
  const method = body === undefined ? 'GET' : 'POST'
  const response = await fetch(
    new Request(`http://localhost${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) }),
  )
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
const status = (...how: [] | [undefined, { broken: string[] }]) => call('/keyrings/orders', ...how)

describe('the status', () => {
  it('says how the secrets of a vault fare, what fails since when, and what is needed', async () => {
    on.vault.answers.set('canary-kept', { a: 'canary-value' })
    on.vault.answers.set('canary-failing', { a: 'canary-value' })
    await valueOrCode(on.secrets, '{vault://hcv/canary-failing/a}')
    on.clock.time += 70_000
    await valueOrCode(on.secrets, '{vault://hcv/canary-kept/a}')
    on.vault.answers.set('canary-failing', outage())
    await valueOrCode(on.secrets, '{vault://hcv/canary-failing/a}')
    await valueOrCode(on.secrets, '{vault://hcv/canary-absent/a}')
    const { body } = await status(undefined, { broken: ['vaults.other.config.host: must be a host name'] })
    const since = new Date(on.clock.time).toISOString()
    expect(body['vaults']).toEqual([
      {
        vault: 'hcv',
        kept: 2,
        stale: 1,
        refused: 1,
        forbidden: 0,
        more: false,
        listed: 1,
        pushed: false,
        last_answer: since,
        last_error: { code: 'ERR_VAULT_UNREACHABLE', message: expect.any(String), since, count: 1 },
        lacking: [{ entry: 4, code: 'ERR_SECRET_NOT_FOUND', message: 'Nothing is known of it yet.' }],
      },
    ])
    expect(body['needed']).toEqual([
      expect.stringMatching(/^Vault "hcv": Vault cannot be reached\. /),
      expect.stringMatching(/^Vault "hcv": Entry 4 of KEYRING_REFERENCES: /),
      'Correct vaults.other.config.host: must be a host name. Until then it is not used.',
    ])
    expect(JSON.stringify(body)).not.toContain('canary')
  })

  it('needs a right when the vault forbids all that is asked for, and it has no value left', async () => {
    on = secretWorld()
    on.vault.answers.set('canary-a', { a: 'x' })
    on.vault.answers.set('canary-b', 'forbidden')
    const ask = () => on.secrets.resolve(['{vault://hcv/canary-a/a}', '{vault://hcv/canary-b/a}'])
    await ask()
    expect((await status()).body['needed']).toEqual([])
    on.vault.answers.set('canary-a', 'forbidden')
    on.clock.time += 60_000
    await ask()
    const { body } = await status()
    expect(body).toMatchObject({
      vaults: [{ kept: 0, refused: 2, forbidden: 2 }],
      needed: [expect.stringMatching(/^Vault "hcv": It lets us read none .* "read" on <mount>\/data\/\*/)],
    })
    expect(JSON.stringify(body)).not.toContain('canary')
  })

  it('needs a store that the schedule cannot write, whose line has the error too, until it can', async () => {
    on = secretWorld()
    on.vault.answers.set('password', { a: 'x' })
    await valueOrCode(on.secrets, '{vault://hcv/password/a}')
    const full = vi.spyOn(on.items, 'put')
    full.mockRejectedValue(new KeyringError('ERR_STORE_UNAVAILABLE', 'The disk is full.'))
    on.clock.time += 60_000
    const lines: string[] = []
    const look = () =>
      runSchedule(
        distantAuthority(async (message) => ('vault' in message ? on.keepers.call(message) : null)),
        [],
        (line) => void lines.push(line),
        () => true,
        ['hcv'],
      )
    await look()
    const since = new Date(on.clock.time).toISOString()
    on.clock.time += 60_000
    await look()
    expect(lines.map((line) => JSON.parse(line))).toMatchObject(
      [0, 1].map(() => ({ vault: 'hcv', outcome: 'failed', code: 'ERR_STORE_UNAVAILABLE' })),
    )
    expect((await status()).body).toMatchObject({
      vaults: [{ stale: 1, last_error: { code: 'ERR_STORE_UNAVAILABLE', since, count: 1 } }],
      needed: [expect.stringMatching(/^Vault "hcv": The disk is full\. Check the record store/)],
    })
    full.mockRestore()
    await look()
    expect((await status()).body['needed']).toEqual([])
  })

  it('says that nobody pushes', async () => {
    on = secretWorld({}, {}, { isPushed: true })
    const secret = { resource: 'a', version: null, found: 'secret', text: '{}', at: NOW }
    expect(await call('/secrets/push', { vault: 'hcv', source: 'kv', secrets: [secret] })).toMatchObject({
      status: 200,
    })
    expect((await status()).body['needed']).toEqual([])
    on.clock.time += 61_000
    expect((await status()).body['needed']).toEqual([expect.stringContaining('edge-keyring push')])
  })

  it('looks at 1,000 secrets, and says that there are more', async () => {
    for (let minute = 0; minute < 2; minute += 1) {
      const texts = Array.from({ length: 600 }, (_, at) => `{vault://hcv/s${minute}-${at}/a}`)
      for (const at of texts.keys()) on.vault.answers.set(`s${minute}-${at}`, { a: 'x' })
      await on.secrets.resolve(texts)
      on.clock.time += 60_000
    }
    expect((await status()).body['vaults']).toMatchObject([{ kept: 1000, more: true }])
  })

  it.each([['read:orders'], ['admin:orders'], ['read:orders', 'resolve:**', 'refresh', 'diagnose']])(
    'of a caller with %s shows nothing of vaults',
    async (...given) => {
      grants = given
      expect((await status(undefined, { broken: ['x'] })).body).toEqual({ keyring: 'orders', keys: [], needed: [] })
    },
  )
})

describe('the doctor', () => {
  it('has the findings of each vault, and is healthy when all are', async () => {
    const { body } = await call('/keyrings/orders/doctor')
    expect(body).toMatchObject({ healthy: true, checks: [{ check: 'server' }], vaults: [{ vault: 'hcv', checks: [] }] })
  })

  it.each([['diagnose:orders'], ['admin:orders'], ['diagnose:orders', 'read', 'force:orders']])(
    'of a caller with %s shows nothing of vaults',
    async (...given) => {
      grants = given
      expect((await call('/keyrings/orders/doctor')).body).not.toHaveProperty('vaults')
    },
  )
})

describe('POST /secrets/push', () => {
  const secret = { resource: 'canary-name', version: null, found: 'secret', text: '{"a":"canary-value"}', at: NOW }
  const push = (fields: object = {}) =>
    call('/secrets/push', { vault: 'hcv', source: 'kv', secrets: [secret], ...fields })
  beforeEach(() => {
    on = secretWorld({}, {}, { isPushed: true })
  })

  it('is in the audit log before anything is taken, without names and values', async () => {
    grants = ['push']
    expect(await push()).toEqual({ status: 200, body: { taken: 1, older: 0 } })
    expect(events).toMatchObject([
      { action: 'push', outcome: 'begun', keyring: null },
      { action: 'push', outcome: 'ok', vault: 'hcv', count: 1 },
    ])
    expect(events.map((event) => auditLine(event)).join('')).not.toContain('canary')
  })

  it.each([['push:orders'], ['admin:orders'], ['read', 'resolve:**', 'refresh']])(
    'is refused to a caller with %s',
    async (...given) => {
      grants = given
      expect(await push()).toMatchObject({ status: 403, body: { code: 'ERR_FORBIDDEN' } })
      expect(on.items.size()).toBe(0)
    },
  )

  it.each<[string, object, string]>([
    ['another vault', { vault: 'canary' }, 'ERR_REFERENCE_VAULT_UNKNOWN'],
    ['another source', { source: 'canary' }, 'ERR_SOURCE_CHANGED'],
    ['what is to come', { secrets: [{ ...secret, at: NOW + 86_400_000 }] }, 'ERR_REQUEST_INVALID'],
    ['no secrets', { secrets: 'canary' }, 'ERR_REQUEST_INVALID'],
    ['a field more', { canary: 1 }, 'ERR_REQUEST_INVALID'],
    ['too much', { secrets: [{ ...secret, text: 'canary'.repeat(800_000) }] }, 'ERR_BODY_TOO_LARGE'],
  ])('refuses %s, and quotes nothing', async (_name, fields, code) => {
    const { body } = await push(fields)
    expect(body).toMatchObject({ code })
    expect(JSON.stringify(body) + events.map((event) => auditLine(event)).join('')).not.toContain('canary')
    expect(on.items.size()).toBe(0)
  })

  it('refuses a name that no reference could have', async () => {
    on = secretWorld({}, { trouble: () => 'has a "." segment' }, { isPushed: true })
    expect(await push()).toMatchObject({ body: { code: 'ERR_REFERENCE_INVALID' } })
    expect(on.items.size()).toBe(0)
  })
})
