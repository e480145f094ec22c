/** AppRole with a wrapped secret id, against a real OpenBao: what was opened by us, by somebody else, or by nobody. */
import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, inject, it } from 'vitest'
import type { LoginRunner } from '../support/login-runners.ts'
import { loginRunners } from '../support/login-runners.ts'
import { NEVER, loginMethod, loginVault, memoryItems, refusal } from '../support/logins.ts'
import { vaultClient } from '../support/vault.ts'

const LOST = Object.assign(new Error('other side closed'), { code: 'UND_ERR_SOCKET' })
const shared = inject('openbao')
const address = shared?.address ?? ''
const admin = vaultClient(address, shared?.token ?? '')
const MOUNT = 'team/wrapped'

/** As Node's fetch says it; workerd keeps the reason. */
const cut = () =>
  new TypeError('fetch failed', { cause: Object.assign(new Error('closed'), { code: 'UND_ERR_SOCKET' }) })
const unreachable = ({ name }: LoginRunner) =>
  `ERR_VAULT_UNREACHABLE ${name === 'workerd' ? 'unknown' : 'UND_ERR_SOCKET'}`

interface Wrapped {
  readonly wrap_info: { readonly token: string }
}

async function must(path: string, body: unknown, headers = {}): Promise<unknown> {
  const answer = await admin.request('POST', path, { body, headers })
  if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

/** @param format of the wrapping token: `jwt` is signed, the other one is not. */
async function wrap(path: string, body: unknown = {}, format = ''): Promise<string> {
  const headers = { 'x-vault-wrap-ttl': '300s', ...(format !== '' && { 'x-vault-wrap-format': format }) }
  return ((await must(path, body, headers)) as Wrapped).wrap_info.token
}

const unwrap = (token: string) => admin.request('POST', 'sys/wrapping/unwrap', { token })

const SECRET_ID = `auth/${MOUNT}/role/app/secret-id`
const [LOOK, OPEN, LOGIN] = ['sys/wrapping/lookup', 'sys/wrapping/unwrap', `auth/${MOUNT}/login`]
/** When whoever has claimed a token must have ended. */
const LATER_MS = 20_001

describe.skipIf(shared === null)('a wrapped secret id', () => {
  const runners = loginRunners()
  let roleId = ''
  const options = (token: string, more = {}) => ({
    auth_method: 'approle',
    approle_auth_path: `/${MOUNT}/`,
    approle_role_id: roleId,
    approle_response_wrapping: 'on',
    approle_secret_id: token,
    approle_role_name: 'app',
    ...more,
  })

  beforeAll(async () => {
    await must(`sys/auth/${MOUNT}`, { type: 'approle' })
    for (const role of ['app', 'other']) await must(`auth/${MOUNT}/role/${role}`, { token_ttl: 60 })
    const { body } = await admin.request('GET', `auth/${MOUNT}/role/app/role-id`)
    roleId = (body as { data: { role_id: string } }).data.role_id
  })

  describe.each(runners)('on $name', (on) => {
    /** Logins of one deployment. */
    function deployment(token: string, more = {}) {
      const name = randomUUID()
      const login = (vault = loginVault(address), aheadMs = 0) =>
        on.login(options(token, more), vault, { deployment: name, aheadMs })
      return { login, refused: (...how: Parameters<typeof login>) => refusal(login(...how)) }
    }

    it('is looked at, opened and used, in three requests', async () => {
      const vault = loginVault(address)
      expect(await deployment(await wrap(SECRET_ID)).login(vault)).toMatchObject({ ttlSeconds: 60 })
      expect(vault.asked).toEqual([LOOK, OPEN, LOGIN])
    })

    it('that we have opened is used from what was kept, by another instance too', async () => {
      const { login } = deployment(await wrap(SECRET_ID))
      await login()
      const vault = loginVault(address)
      await login(vault)
      expect(vault.asked).toEqual([LOGIN])
    })

    it('may be in the signed form', async () => {
      const token = await wrap(SECRET_ID, {}, 'jwt')
      expect(token.split('.')).toHaveLength(3)
      await expect(deployment(token).login()).resolves.toMatchObject({ ttlSeconds: 60 })
    })

    it('that somebody else has opened is a security event, each time, and no login is tried', async () => {
      const token = await wrap(SECRET_ID)
      await unwrap(token)
      const [{ refused }, vault] = [deployment(token), loginVault(address)]
      for (const _time of [1, 2]) expect(await refused(vault)).toBe('ERR_WRAP_TOKEN_SPENT')
      expect(vault.asked).toEqual([LOOK, LOOK])
    })

    it('that a thief opens between our look and our opening is one too, now and later', async () => {
      const token = await wrap(SECRET_ID)
      const { refused } = deployment(token)
      const late = loginVault(address, '', async (request) => {
        if (request.url.endsWith(OPEN)) await unwrap(token)
        return fetch(request)
      })
      expect(await refused(late)).toBe('ERR_WRAP_TOKEN_SPENT')
      expect(await refused()).toBe('ERR_WRAP_TOKEN_SPENT')
    })

    it.each(['', 'jwt'])('that is altered or no wrapping token is one too (form "%s")', async (format) => {
      const token = await wrap(SECRET_ID, {}, format)
      const altered = `${token.slice(0, -2)}${token.endsWith('AA') ? 'BB' : 'AA'}`
      const ordinary = await admin.tokenFor('path "x" { capabilities = ["read"] }')
      for (const wrong of [altered, ordinary]) expect(await deployment(wrong).refused()).toBe('ERR_WRAP_TOKEN_SPENT')
    })

    it('that a thief has opened and wrapped again is known by its path, and left closed', async () => {
      const opened = await unwrap(await wrap(SECRET_ID))
      const again = await wrap('sys/wrapping/wrap', (opened.body as { data: unknown }).data)
      const vault = loginVault(address)
      expect(await deployment(again).refused(vault)).toBe('ERR_WRAP_PATH_MISMATCH')
      expect(vault.asked).toEqual([LOOK])
      expect((await admin.request('POST', LOOK, { body: { token: again } })).status).toBe(200)
    })

    it('of another role is refused where a role is named; where none is, every role of the mount is taken', async () => {
      const other = await wrap(`auth/${MOUNT}/role/other/secret-id`)
      expect(await deployment(other).refused()).toBe('ERR_WRAP_PATH_MISMATCH')
      const anyRole = { approle_role_name: '' }
      await expect(deployment(await wrap(SECRET_ID), anyRole).login()).resolves.toBeDefined()
      const foreign = await wrap('sys/wrapping/wrap', { secret_id: 'x' })
      expect(await deployment(foreign, anyRole).refused()).toBe('ERR_WRAP_PATH_MISMATCH')
    })

    it('of another mount, or a path that only begins or ends like it, is refused', async () => {
      const elsewhere = deployment(await wrap(SECRET_ID), { approle_auth_path: 'team' })
      expect(await elsewhere.refused()).toBe('ERR_WRAP_PATH_MISMATCH')
      const custom = await wrap(`auth/${MOUNT}/role/app/custom-secret-id`, { secret_id: `mine ${on.name}` })
      expect(await deployment(custom).refused()).toBe('ERR_WRAP_PATH_MISMATCH')
    })

    it('whose answer got lost is never opened again', async () => {
      const { refused } = deployment(await wrap(SECRET_ID))
      const deaf = loginVault(address, '', async (request) => {
        const response = await fetch(request)
        if (request.url.endsWith(OPEN)) throw cut()
        return response
      })
      expect(await refused(deaf)).toBe(unreachable(on))
      expect(await refused(loginVault(address), LATER_MS)).toBe('ERR_WRAP_RESULT_LOST')
      expect(deaf.asked.filter((path) => path === OPEN)).toHaveLength(1)
    })

    /** The way to Vault, with one answer of something else in the place of the opening. @param opens Vault has opened it all the same. */
    const spoiled = (answer: () => Response, opens = false) =>
      loginVault(address, '', async (request) => {
        if (!request.url.endsWith(OPEN)) return fetch(request)
        if (opens) await fetch(request)
        return answer()
      })
    const json = (status: number, error: string) => Response.json({ errors: [error] }, { status })
    const page = (status: number) => new Response('<html>nginx</html>', { status })

    it.each([
      ['sealed', () => json(503, 'Vault is sealed'), 'ERR_VAULT_SEALED 503'],
      ['a quota', () => json(429, 'rate limit quota exceeded'), 'ERR_VAULT_RATE_LIMITED 429'],
      ["a balancer's quota", () => page(429), 'ERR_VAULT_RATE_LIMITED 429'],
      [
        'no active node',
        () => json(500, 'local node not active but active cluster node not found'),
        'ERR_VAULT_STANDBY 500',
      ],
      ['a standby', () => new Response(null, { status: 307, headers: { location: '/' } }), 'ERR_VAULT_REDIRECTED 307'],
    ])('that was not opened, as the answer shows (%s), is opened at once', async (_name, answer, code) => {
      const { login, refused } = deployment(await wrap(SECRET_ID))
      expect(await refused(spoiled(answer))).toBe(code)
      await expect(login()).resolves.toMatchObject({ ttlSeconds: 60 })
    })

    it('that somebody else opens after such an answer is a security event', async () => {
      const token = await wrap(SECRET_ID)
      const { refused } = deployment(token)
      await refused(spoiled(() => json(503, 'Vault is sealed')))
      await unwrap(token)
      for (const aheadMs of [0, LATER_MS])
        expect(await refused(loginVault(address), aheadMs)).toBe('ERR_WRAP_TOKEN_SPENT')
    })

    it.each([502, 503, 504, 200])(
      'behind a page with %i is looked at when nobody can be opening it: whole',
      async (status) => {
        const { login, refused } = deployment(await wrap(SECRET_ID))
        await refused(spoiled(() => page(status)))
        expect(await refused()).toBe('ERR_LEASE_HELD')
        const vault = loginVault(address)
        await expect(login(vault, LATER_MS)).resolves.toMatchObject({ ttlSeconds: 60 })
        expect(vault.asked).toEqual([LOOK, OPEN, LOGIN])
      },
    )

    it('behind a page is looked at: opened, so that the secret id is lost', async () => {
      const { refused } = deployment(await wrap(SECRET_ID))
      await refused(spoiled(() => page(504), true))
      const vault = loginVault(address)
      expect(await refused(vault, LATER_MS)).toBe('ERR_WRAP_RESULT_LOST')
      expect(vault.asked).toEqual([LOOK])
    })

    it('that was never reached, by a cut connection, is looked at and opened', async () => {
      const { login, refused } = deployment(await wrap(SECRET_ID))
      const cut = loginVault(address, '', (request) =>
        request.url.endsWith(OPEN) ? Promise.reject(new TypeError('fetch failed', { cause: LOST })) : fetch(request),
      )
      // workerd does not say how it was lost.
      expect(await refused(cut)).toMatch(/^ERR_VAULT_UNREACHABLE (UND_ERR_SOCKET|unknown)$/)
      expect(await refused()).toBe('ERR_LEASE_HELD')
      const down = loginVault(address, '', async () => json(503, 'Vault is sealed'))
      expect(await refused(down, LATER_MS)).toBe('ERR_VAULT_SEALED 503')
      await expect(login(loginVault(address), LATER_MS)).resolves.toMatchObject({ ttlSeconds: 60 })
    })

    it('is still whole after an outage before it was opened', async () => {
      const { login, refused } = deployment(await wrap(SECRET_ID))
      const down = loginVault(address, '', () => Promise.reject(cut()))
      expect(await refused(down)).toBe(unreachable(on))
      expect(down.asked).toEqual([LOOK])
      await expect(login()).resolves.toBeDefined()
    })

    it.each([400, 403])('is no security event when a proxy answers with a page and %i', async (status) => {
      const { login, refused } = deployment(await wrap(SECRET_ID))
      const portal = loginVault(address, '', async () => new Response('<html>Welcome</html>', { status }))
      expect(await refused(portal)).toBe(`ERR_VAULT_ANSWER_INVALID ${status}`)
      await expect(login()).resolves.toBeDefined()
    })

    it('that another instance claims at the same moment is opened once', async () => {
      const { login } = deployment(await wrap(SECRET_ID))
      const vault = loginVault(address)
      const ended = await Promise.all(
        [1, 2, 3].map(() => {
          const work = login(vault)
          return work.then(
            () => 'ok',
            () => refusal(work),
          )
        }),
      )
      expect(ended).toContain('ok')
      expect(ended.filter((end) => end !== 'ok' && end !== 'ERR_LEASE_HELD')).toEqual([])
      expect(vault.asked.filter((path) => path === OPEN)).toHaveLength(1)
      await expect(login(vault)).resolves.toBeDefined()
    })

    it('is not a fault of Vault when it says too little of a token that another instance is opening', async () => {
      const { login } = deployment(await wrap(SECRET_ID))
      const vault = loginVault(address)
      const late = loginVault(address, '', async (request) => {
        if (!request.url.endsWith(LOOK)) return fetch(request)
        await login(vault)
        return Response.json({ data: {} })
      })
      await expect(login(late)).resolves.toBeDefined()
      expect(late.asked).not.toContain(OPEN)
    })

    it('that another instance has opened between our read and our look is used from what it kept', async () => {
      const { login } = deployment(await wrap(SECRET_ID))
      const vault = loginVault(address)
      const late = loginVault(address, '', async (request) => {
        if (request.url.endsWith(LOOK)) await login(vault)
        return fetch(request)
      })
      await expect(login(late)).resolves.toBeDefined()
      expect([...vault.asked, ...late.asked].filter((path) => path === OPEN)).toHaveLength(1)
    })

    it('in a namespace has a path without it', async () => {
      const [namespace, inTeam] = [`team-${on.name}`, { 'x-vault-namespace': `team-${on.name}` }]
      await must(`sys/namespaces/${namespace}`, {})
      await must(`sys/auth/${MOUNT}`, { type: 'approle' }, inTeam)
      await must(`auth/${MOUNT}/role/app`, { token_ttl: 60 }, inTeam)
      const role = await admin.request('GET', `auth/${MOUNT}/role/app/role-id`, { headers: inTeam })
      const { role_id: approle_role_id } = (role.body as { data: { role_id: string } }).data
      const wrapped = await must(SECRET_ID, {}, { ...inTeam, 'x-vault-wrap-ttl': '300s' })
      const { token } = (wrapped as Wrapped).wrap_info
      const { login } = deployment(token, { approle_role_id })
      await expect(login(loginVault(address, namespace))).resolves.toMatchObject({ ttlSeconds: 60 })
    })
  })

  describe('in the store', () => {
    it('is kept under a name that does not tell the wrapping token', async () => {
      const items = memoryItems()
      await loginMethod(options(await wrap(SECRET_ID)), { items }).login(loginVault(address), NEVER)
      expect([...items.stored.keys()]).toEqual([expect.stringMatching(/^wrapped\/[0-9a-f]{64}$/)])
      expect([...items.stored.values()]).toEqual([{ value: { secretId: expect.any(String) }, version: 2 }])
    })

    it('leaves nothing when somebody else has opened it', async () => {
      const [items, token] = [memoryItems(), await wrap(SECRET_ID)]
      await unwrap(token)
      const login = loginMethod(options(token), { items }).login(loginVault(address), NEVER)
      expect([await refusal(login), items.stored.size]).toEqual(['ERR_WRAP_TOKEN_SPENT', 0])
    })

    it('that was opened by a process which ended before it kept the secret id is lost', async () => {
      const [items, token, vault] = [memoryItems(), await wrap(SECRET_ID), loginVault(address)]
      const dying = {
        ...items,
        write: async (...all: Parameters<typeof items.write>) => {
          if (all[2] === 1) throw new Error('the process ends here')
          return items.write(...all)
        },
      }
      const login = (parts: object, at = vault) => loginMethod(options(token), parts).login(at, NEVER)
      await expect(login({ items: dying }, loginVault(address))).rejects.toThrow('ends here')
      const later = { now: () => Date.now() + LATER_MS, sleep: async () => {} }
      expect(await refusal(login({ items }))).toBe('ERR_LEASE_HELD')
      expect(vault.asked).toEqual([])
      expect(await refusal(login({ items, clock: later }))).toBe('ERR_WRAP_RESULT_LOST')
      expect(vault.asked).toEqual([LOOK])
    })
  })
})
