/** What ends is told 30, 7 and 1 days before: by the status, the log, the doctor and a header. */
import { describe, expect, it } from 'vitest'
import { status as statusCommand } from '../../functions/cli/status.ts'
import { KeyringClient } from '../../functions/cli/client.ts'
import type { Target } from '../../functions/cli/target.ts'
import type { End } from '../../src/core/ends.ts'
import { bandOf } from '../../src/core/ends.ts'
import type { Finding } from '../../src/core/findings.ts'
import { KeyringError, unwrap } from '../../src/core/errors.ts'
import type { AppRoleSettings } from '../../src/core/login-settings.ts'
import { Secret } from '../../src/core/secret.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { appRoleLogin } from '../../src/vault/login/approle.ts'
import type { LoginParts, LoginVault } from '../../src/vault/login/method.ts'
import type { VaultReader } from '../../src/vault/reader.ts'
import { lookAtToken } from '../../src/vault/doctor/token.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world } from '../support/authority.ts'
import { FakeVault, deniedError, instance } from '../support/fake-vault.ts'
import { NOW, SOURCE } from '../support/observed.ts'

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000]
const end = (what: End['what'], at: number, more: Partial<End> = {}): End => ({
  what,
  name: null,
  words: what === 'vault-certificate' ? "Vault's certificate" : what,
  remedy: `Renew the ${what}.`,
  since: null,
  at,
  ...more,
})

const apiToken = (name: string, expiresAt: number | null) => ({ name, expiresAt, sha256: '', grants: [] })

describe('an end', () => {
  it.each([
    [31 * DAY, null, null],
    [30 * DAY, null, 30],
    [7 * DAY + 1, null, 30],
    [7 * DAY, null, 7],
    [DAY, null, 1],
    [1, null, 1],
    [0, null, 0],
    [-DAY, null, 0],
    // A certificate for 90 days is renewed when a third of them is left, a token for an hour by its agent.
    [29 * DAY, 90 * DAY, null],
    [22 * DAY, 90 * DAY, 30],
    [HOUR / 2, HOUR, null],
    [HOUR / 5, HOUR, 1],
  ])('in %i ms of a life of %o is told as within %o days', (left, life, band) => {
    expect(bandOf(end('vault-token', NOW + left, { since: life && NOW + left - life }), NOW)).toBe(band)
  })
})

/** A day of a deployment whose schedule looks each minute. */
async function scheduled(on: ReturnType<typeof world>, minutes: number) {
  const authority = authorityOn(on)
  for (let minute = 0; minute < minutes; minute += 1) {
    await authority.syncIfDue('default')
    on.clock.time += MINUTE
  }
}
const logged = (on: ReturnType<typeof world>) =>
  on.log.splice(0).map((line) => {
    const { level, ends, name, days } = JSON.parse(line) as Record<string, unknown>
    return [level, ends, name, days]
  })

describe('what ends', () => {
  it('is looked at once a day, once an hour while somebody has to act, and logged once a day', async () => {
    const on = world(['a:1'])
    on.ends = [end('vault-certificate', NOW + 20 * DAY)]
    on.apiTokens = [apiToken('ci', NOW + 5 * DAY), apiToken('old', NOW - DAY), apiToken('for ever', null)]
    await scheduled(on, 24 * 60 - 1)
    expect(on.looked).toHaveLength(1)
    expect(logged(on)).toEqual([
      ['warn', 'api-token', 'ci', 7],
      ['warn', 'vault-certificate', null, 30],
    ])
    on.ends = [end('vault-token', NOW + 3 * DAY)]
    await scheduled(on, 24 * 60)
    expect(on.looked.length).toBeGreaterThanOrEqual(20)
    expect(on.looked.length).toBeLessThanOrEqual(25)
    expect(logged(on)).toEqual([
      ['warn', 'vault-token', null, 7],
      ['warn', 'api-token', 'ci', 7],
    ])
  })

  it.each([NOW - 9e18, -1, 9e18, Number.NaN])(
    'at no time that there is (%o) is left out, and costs nothing else',
    async (at) => {
      const on = world(['a:1'])
      on.ends = [end('vault-token', at), end('vault-certificate', NOW + 20 * DAY)]
      await scheduled(on, 5)
      expect(on.asked.filter((what) => what === 'observe')).toHaveLength(1)
      expect(on.looked).toHaveLength(1)
      expect(logged(on)).toEqual([['warn', 'vault-certificate', null, 30]])
      const { last_success, ends } = await (await keyringOn(on)).status()
      expect([last_success, ends.map(({ what }) => what)]).toEqual([new Date(NOW).toISOString(), ['vault-certificate']])
    },
  )

  it('is remembered while Vault is down, and costs a failed sync nothing', async () => {
    const on = world(['a:1'])
    on.ends = [end('vault-token', NOW + 3 * DAY)]
    await scheduled(on, 1)
    on.versions = new KeyringError('ERR_VAULT_SEALED', 'Sealed.')
    await scheduled(on, 24 * 60)
    expect(on.looked).toHaveLength(1)
    expect((await (await keyringOn(on)).status()).ends).toMatchObject([{ what: 'vault-token', days: 7 }])
  })

  it('is in the status, and under needed from 7 days on; a header names the soonest for whoever comes later', async () => {
    const on = world(['a:1'])
    on.ends = [end('vault-certificate', NOW + 20 * DAY), end('client-certificate', NOW + 40 * DAY)]
    on.apiTokens = [apiToken('ci', NOW + 25 * DAY)]
    await scheduled(on, 1)
    const keyring = await keyringOn(on)
    expect(keyring.ending).toMatchObject({ end: { what: 'api-token' }, days: 30 })
    const view = await keyring.status()
    expect(view.ends).toMatchObject([
      { what: 'vault-certificate', name: null, days: 30, at: new Date(NOW + 20 * DAY).toISOString() },
      { what: 'api-token', name: 'ci', days: 30 },
    ])
    expect(view.needed).toEqual([])
    expect(keyring.ending).toMatchObject({ end: { what: 'vault-certificate' }, days: 30 })
    on.clock.time = NOW + 14 * DAY
    const { needed } = await keyring.status()
    expect(needed.filter((line) => line.startsWith("Vault's certificate"))).toHaveLength(1)
  })

  it('has rotations in it: a day late, and the last for which there is room', async () => {
    const on = world(['a:1'])
    on.rotation = { cadence: { after: (since) => since + 10 * DAY }, delayMs: 0, prunesHeld: false }
    on.keeps = 3
    on.written = NOW
    await scheduled(on, 1)
    const look = async () => (await (await keyringOn(on)).status()).ends.map(({ what, days }) => `${what} ${days}`)
    expect(await look()).toEqual([])
    on.clock.time = NOW + 10 * DAY + 1
    await scheduled(on, 1)
    expect(unwrap(await authorityOn(on).status('default')).rotation).toMatchObject({ left: 1 })
    expect(await look()).toEqual(['versions 30'])
    on.clock.time = NOW + 21 * DAY + 2 * MINUTE
    expect(await look()).toEqual(['versions 0', 'rotation 0'])
  })

  it('has the room for versions in it, also where rotations are by hand alone', async () => {
    const on = world(['a:1'])
    on.keeps = 2
    const authority = authorityOn(on)
    await authority.sync('default', PLAIN_SYNC)
    const keyring = await keyringOn(on, undefined, authority)
    expect((await keyring.status()).needed).toEqual([])
    expect(await keyring.rotate(false)).toMatchObject({ rotated: true, left: 0 })
    const { ends, needed } = await keyring.status()
    expect(ends).toMatchObject([{ what: 'versions', days: 0 }])
    expect(needed).toEqual([expect.stringContaining('max_versions')])
  })

  it('is asked for again by the doctor, so that what was done about it shows', async () => {
    const on = world(['a:1'])
    on.ends = [end('vault-token', NOW + DAY)]
    await scheduled(on, 1)
    const keyring = await keyringOn(on)
    expect((await keyring.status()).needed).toHaveLength(1)
    await keyring.diagnose({ login: false })
    expect((await keyring.status()).needed).toEqual([])
  })
})

describe('what ends of the login of rotations', () => {
  const known = end('secret-id', NOW + 5 * DAY, { name: 'rotation' })
  const login = (outcome: Finding['outcome'], ends?: readonly End[]): Finding => ({
    check: 'rotation',
    outcome,
    detail: '',
    ...(ends && { ends }),
  })
  const warned = async (on: ReturnType<typeof world>) =>
    (await (await keyringOn(on)).status()).ends.map(({ what, name }) => [what, name])

  it('is in status, log and header, beside that of the other login', async () => {
    const on = world(['a:1'])
    on.ends = [end('vault-token', NOW + 6 * DAY)]
    on.found = [login('ok', [known])]
    await scheduled(on, 1)
    expect(logged(on)).toEqual([
      ['warn', 'secret-id', 'rotation', 7],
      ['warn', 'vault-token', null, 7],
    ])
    const keyring = await keyringOn(on)
    expect((await keyring.status()).needed.filter((line) => line.startsWith('secret-id "rotation" is over'))).toEqual([
      expect.stringMatching(/Renew the secret-id\.$/),
    ])
    expect(keyring.ending).toMatchObject({ end: { what: 'secret-id' }, days: 7 })
  })

  it.each([
    ['where it is not set, as in another function', 'skipped'],
    ['that refuses', 'failed'],
  ] as const)('stays known to a look %s, which tells of all else', async (_name, outcome) => {
    const on = world(['a:1'])
    on.ends = [end('vault-token', NOW + 6 * DAY)]
    on.found = [login('ok', [known])]
    await scheduled(on, 1)
    on.found = [login(outcome)]
    await (await keyringOn(on)).diagnose({ login: false })
    expect(await warned(on)).toEqual([['secret-id', 'rotation']])
    on.ends = [end('vault-certificate', NOW + 6 * DAY)]
    await scheduled(on, 24 * 60)
    expect(await warned(on)).toEqual([
      ['secret-id', 'rotation'],
      ['vault-certificate', null],
    ])
  })

  it('is forgotten once it does not end, or there is no such login any more', async () => {
    for (const found of [[login('ok', [])], []]) {
      const on = world(['a:1'])
      on.found = [login('ok', [known])]
      await scheduled(on, 1)
      on.found = found
      await scheduled(on, 24 * 60)
      expect(await warned(on)).toEqual([])
    }
  })
})

describe("a look at Vault's token", () => {
  const DAY_S = 86_400
  const clock = { now: () => NOW, sleep: async () => {} }
  const seen = async (data: object, hasLogin = false, outcome: Finding['outcome'] = 'ok') => {
    const probe = async () => ({ status: 200, body: { data }, serverTime: NOW })
    const findings = await lookAtToken(
      {
        reader: { probe } as unknown as VaultReader,
        source: { id: SOURCE },
        transport: null as never,
        probe: null,
        clock,
        address: '',
        login: '',
        loginEnds: async () => [],
        hasLogin,
        isForced: false,
      },
      new AbortController().signal,
    )
    expect(findings.map(({ outcome }) => outcome)).toEqual(['ok', outcome])
    return findings.flatMap(({ ends = [] }) => ends.map(({ at }) => (at - NOW) / DAY))
  }
  const since = NOW / 1000 - 10 * DAY_S

  it.each([
    ['that does not end', { ttl: 0, creation_ttl: 0 }, []],
    ['that nobody can renew', { ttl: 3 * DAY_S, creation_ttl: 13 * DAY_S, renewable: false }, [3]],
    ['that somebody renews', { ttl: 20 * DAY_S, creation_ttl: 32 * DAY_S, renewable: true }, []],
    ['that nobody renews', { ttl: 7 * DAY_S, creation_ttl: 32 * DAY_S, renewable: true }, [7]],
    [
      'at its maximum, whoever renews it',
      {
        ttl: DAY_S,
        creation_ttl: DAY_S,
        renewable: true,
        creation_time: since,
        explicit_max_ttl: 40 * DAY_S,
      },
      [30],
    ],
  ])('that was given says when it ends: one %s', async (_name, data, days) => {
    expect(await seen(data)).toEqual(days)
  })

  it.each([
    ['ttl', -1],
    ['ttl', 9_223_372_037],
    ['ttl', Number.MAX_SAFE_INTEGER],
    ['creation_ttl', -1],
    ['creation_time', Number.MAX_SAFE_INTEGER],
    ['explicit_max_ttl', Number.MAX_SAFE_INTEGER],
  ])('does not understand an answer whose %s is %i', async (field, value) => {
    expect(await seen({ ttl: 60, [field]: value }, false, 'skipped')).toEqual([])
  })

  it('of a login says nothing: the next login fetches another one', async () => {
    expect(await seen({ ttl: 60, creation_ttl: 3600, renewable: false }, true)).toEqual([])
  })
})

describe('a secret id', () => {
  const never = new AbortController().signal
  const asked: unknown[] = []
  const endsOf = async (answer: unknown, roleName = 'edge') => {
    const settings: AppRoleSettings = {
      method: 'approle',
      mount: 'team/approle',
      roleId: new Secret('role'),
      secretId: new Secret('secret'),
      wrapping: false,
      roleName,
    }
    const vault = {
      post: async (...sent: unknown[]) => (asked.push(sent.slice(0, 3)), answer),
    } as unknown as LoginVault
    return (await appRoleLogin(settings, { readFile: null } as LoginParts).ends?.(vault, 'token', never)) ?? []
  }
  const told = (over: string) => ({ data: { creation_time: '2026-01-01T00:00:00.123456789Z', expiration_time: over } })

  it('says when it ends, where the role is known and the policy lets the token ask', async () => {
    const [found] = await endsOf(told('2026-12-01T00:00:00.123456789Z'))
    expect(found).toMatchObject({ what: 'secret-id', at: Date.parse('2026-12-01T00:00:00.123Z') })
    expect(asked).toEqual([
      [['auth', 'team', 'approle', 'role', 'edge', 'secret-id', 'lookup'], { secret_id: 'secret' }, 'token'],
    ])
  })

  it.each([
    ['does not end', told('0001-01-01T00:00:00Z'), 'edge'],
    ['is not told', { errors: [] }, 'edge'],
    ['is not known by its role', told('2026-12-01T00:00:00Z'), ''],
  ])('says nothing when it %s', async (_name, answer, roleName) => {
    expect(await endsOf(answer, roleName)).toEqual([])
  })

  it('is asked for with the token that is shared, and a policy that denies it costs nothing', async () => {
    const vault = new FakeVault()
    const tokens: string[] = []
    const secretId = end('secret-id', NOW + DAY)
    const { life } = instance(vault, memoryStore(), {
      ends: async (_vault, token) => (tokens.push(token), [secretId]),
    })
    expect(await vault.clock.run(life.ends(never))).toEqual([secretId])
    expect(tokens).toEqual(['token-1'])
    const denied = instance(vault, memoryStore(), { ends: () => Promise.reject(deniedError('policy')) })
    expect(await vault.clock.run(denied.life.ends(never))).toEqual([])
  })
})

describe('edge-keyring status --check', () => {
  const run = async (needed: readonly string[]) => {
    const on = world(['a:1'])
    await authorityOn(on).sync('default', PLAIN_SYNC)
    const view = { ...(await (await keyringOn(on)).status()), needed }
    const target: Target = {
      where: 'here',
      base: 'http://keyring.example',
      token: new Secret('of-no-importance'),
      tokenRemedy: '',
      fetch: async () => Response.json(view),
      answerMs: 1000,
      close: async () => {},
    }
    const client = new KeyringClient(target, 'default')
    return [(await statusCommand(client, true)).exit, (await statusCommand(client, false)).exit]
  }

  it('ends with 1 when something is needed now, and only then', async () => {
    expect(await run([])).toEqual([0, 0])
    expect(await run(['Renew it.'])).toEqual([1, 0])
  })
})
