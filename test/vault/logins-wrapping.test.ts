/** AppRole with a wrapped secret id, against a real OpenBao: what was opened by us, by somebody else, or by nobody. */
import { beforeAll, describe, expect, inject, it } from 'vitest'
import { systemClock } from '../../functions/nodejs/clock.ts'
import type { LoginParts, LoginVault } from '../../src/vault/login/method.ts'
import type { MemoryItems } from '../support/logins.ts'
import { NEVER, loginMethod, loginVault, memoryItems, refusal } from '../support/logins.ts'
import { vaultClient } from '../support/vault.ts'

const shared = inject('openbao')
const address = shared?.address ?? ''
const admin = vaultClient(address, shared?.token ?? '')
const MOUNT = 'team/wrapped'

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

const SECRET_ID = `auth/${MOUNT}/role/app/secret-id`
/** When whoever has claimed a token must have ended. */
const later = { ...systemClock, now: () => Date.now() + 20_001 }
const LOOK_OPEN_LOGIN = ['sys/wrapping/lookup', 'sys/wrapping/unwrap', `auth/${MOUNT}/login`]

describe.skipIf(shared === null)('a wrapped secret id', () => {
  let roleId = ''
  const method = (token: string, parts: Partial<LoginParts> = {}, more = {}) =>
    loginMethod(
      {
        auth_method: 'approle',
        approle_auth_path: `/${MOUNT}/`,
        approle_role_id: roleId,
        approle_response_wrapping: 'on',
        approle_secret_id: token,
        approle_role_name: 'app',
        ...more,
      },
      parts,
    )
  const refused = (token: string, items: MemoryItems = memoryItems(), more = {}) =>
    refusal(method(token, { items }, more).login(loginVault(address), NEVER))

  beforeAll(async () => {
    await must(`sys/auth/${MOUNT}`, { type: 'approle' })
    for (const role of ['app', 'other']) await must(`auth/${MOUNT}/role/${role}`, { token_ttl: 60 })
    const { body } = await admin.request('GET', `auth/${MOUNT}/role/app/role-id`)
    roleId = (body as { data: { role_id: string } }).data.role_id
  })

  it('is looked at, opened and used, in three requests', async () => {
    const vault = loginVault(address)
    expect(await method(await wrap(SECRET_ID)).login(vault, NEVER)).toMatchObject({ ttlSeconds: 60 })
    expect(vault.asked).toEqual(LOOK_OPEN_LOGIN)
  })

  it('that we have opened is used from what was kept, by this process and by another one', async () => {
    const [vault, items, token] = [loginVault(address), memoryItems(), await wrap(SECRET_ID)]
    await method(token, { items }).login(vault, NEVER)
    vault.asked.length = 0
    await method(token, { items }).login(vault, NEVER)
    expect(vault.asked).toEqual([`auth/${MOUNT}/login`])
  })

  it('is kept under a name that does not tell the wrapping token', async () => {
    const [items, token] = [memoryItems(), await wrap(SECRET_ID)]
    await method(token, { items }).login(loginVault(address), NEVER)
    expect([...items.stored.keys()]).toEqual([expect.stringMatching(/^wrapped\/[0-9a-f]{64}$/)])
    expect([...items.stored.values()]).toEqual([{ value: { secretId: expect.any(String) }, version: 2 }])
  })

  it('may be in the signed form', async () => {
    const token = await wrap(SECRET_ID, {}, 'jwt')
    expect(token.split('.')).toHaveLength(3)
    await expect(method(token).login(loginVault(address), NEVER)).resolves.toMatchObject({ ttlSeconds: 60 })
  })

  it('that somebody else has opened is a security event, each time', async () => {
    const [items, token] = [memoryItems(), await wrap(SECRET_ID)]
    await admin.request('POST', 'sys/wrapping/unwrap', { token })
    expect(await refused(token, items)).toBe('ERR_WRAP_TOKEN_SPENT')
    expect(await refused(token, items)).toBe('ERR_WRAP_TOKEN_SPENT')
    expect(items.stored.size).toBe(0)
  })

  it('that somebody else opens between our two looks is one too, also at the next login', async () => {
    const [items, token] = [memoryItems(), await wrap(SECRET_ID)]
    const vault = loginVault(address)
    const post: typeof vault.post = async (segments, ...rest) => {
      if (segments.at(-1) === 'unwrap') await admin.request('POST', 'sys/wrapping/unwrap', { token })
      return vault.post(segments, ...rest)
    }
    expect(await refusal(method(token, { items }).login({ ...vault, post }, NEVER))).toBe('ERR_WRAP_TOKEN_SPENT')
    expect(await refused(token, items)).toBe('ERR_WRAP_TOKEN_SPENT')
  })

  it.each(['', 'jwt'])('that is altered or no wrapping token is one too (form "%s")', async (format) => {
    const token = await wrap(SECRET_ID, {}, format)
    const altered = `${token.slice(0, -2)}${token.endsWith('AA') ? 'BB' : 'AA'}`
    expect(await refused(altered)).toBe('ERR_WRAP_TOKEN_SPENT')
    expect(await refused(await admin.tokenFor('path "x" { capabilities = ["read"] }'))).toBe('ERR_WRAP_TOKEN_SPENT')
  })

  it('that a thief has opened and wrapped again is known by its path, and left closed', async () => {
    const token = await wrap(SECRET_ID)
    const opened = await admin.request('POST', 'sys/wrapping/unwrap', { token })
    const again = await wrap('sys/wrapping/wrap', (opened.body as { data: unknown }).data)
    const vault = loginVault(address)
    expect(await refusal(method(again).login(vault, NEVER))).toBe('ERR_WRAP_PATH_MISMATCH')
    expect(vault.asked).toEqual(['sys/wrapping/lookup'])
    expect((await admin.request('POST', 'sys/wrapping/lookup', { body: { token: again } })).status).toBe(200)
  })

  it('of another role is refused where a role is named; where none is, every role of the mount is taken', async () => {
    const other = await wrap(`auth/${MOUNT}/role/other/secret-id`)
    expect(await refused(other)).toBe('ERR_WRAP_PATH_MISMATCH')
    const anyRole = { approle_role_name: '' }
    expect(await method(await wrap(SECRET_ID), {}, anyRole).login(loginVault(address), NEVER)).toBeDefined()
    expect(await refused(await wrap('sys/wrapping/wrap', { secret_id: 'x' }), memoryItems(), anyRole)).toBe(
      'ERR_WRAP_PATH_MISMATCH',
    )
  })

  it('of another mount, or a path that only begins or ends like it, is refused', async () => {
    const more = { approle_auth_path: 'team' }
    expect(await refused(await wrap(SECRET_ID), memoryItems(), more)).toBe('ERR_WRAP_PATH_MISMATCH')
    expect(await refused(await wrap(`auth/${MOUNT}/role/app/custom-secret-id`, { secret_id: 'mine' }))).toBe(
      'ERR_WRAP_PATH_MISMATCH',
    )
  })

  it('that was opened by a process which ended before it kept the secret id is lost', async () => {
    const [items, token] = [memoryItems(), await wrap(SECRET_ID)]
    const dying = {
      ...items,
      write: async (...all: Parameters<typeof items.write>) => {
        if (all[2] === 1) throw new Error('the process ends here')
        return items.write(...all)
      },
    }
    await expect(method(token, { items: dying }).login(loginVault(address), NEVER)).rejects.toThrow('ends here')
    const vault = loginVault(address)
    expect(await refusal(method(token, { items }).login(vault, NEVER))).toBe('ERR_LEASE_HELD')
    expect(await refusal(method(token, { items, clock: later }).login(vault, NEVER))).toBe('ERR_WRAP_RESULT_LOST')
    expect(vault.asked).toEqual([])
  })

  it('whose answer got lost is never opened again', async () => {
    const [items, token] = [memoryItems(), await wrap(SECRET_ID)]
    const deaf = loginVault(address, '', async (request) => {
      const response = await fetch(request)
      if (request.url.endsWith('unwrap')) throw new TypeError('fetch failed')
      return response
    })
    expect(await refusal(method(token, { items }).login(deaf, NEVER))).toBe('ERR_VAULT_UNREACHABLE')
    const next = method(token, { items, clock: later }).login(loginVault(address), NEVER)
    expect(await refusal(next)).toBe('ERR_WRAP_RESULT_LOST')
    expect(deaf.asked.filter((path) => path.endsWith('unwrap'))).toHaveLength(1)
  })

  it('is still whole after an outage before it was opened', async () => {
    const [items, token] = [memoryItems(), await wrap(SECRET_ID)]
    const down = loginVault('http://127.0.0.1:9')
    expect(await refusal(method(token, { items }).login(down, NEVER))).toBe('ERR_VAULT_UNREACHABLE')
    await expect(method(token, { items }).login(loginVault(address), NEVER)).resolves.toBeDefined()
  })

  it.each([400, 403])('is no security event when a proxy answers with a page and %i', async (status) => {
    const [items, token] = [memoryItems(), await wrap(SECRET_ID)]
    const portal = loginVault(address, '', async () => new Response('<html>Welcome</html>', { status }))
    const login = method(token, { items }).login(portal, NEVER)
    expect(await refusal(login)).toBe(`ERR_VAULT_ANSWER_INVALID ${status}`)
    await expect(method(token, { items }).login(loginVault(address), NEVER)).resolves.toBeDefined()
  })

  it('that another instance claims at the same moment is opened once', async () => {
    const [items, token, vault] = [memoryItems(), await wrap(SECRET_ID), loginVault(address)]
    const logins = [1, 2, 3].map(() => method(token, { items }).login(vault, NEVER))
    const ended = await Promise.all(
      logins.map((login) =>
        login.then(
          () => 'ok',
          () => refusal(login),
        ),
      ),
    )
    expect(ended).toContain('ok')
    expect(ended.filter((end) => end !== 'ok' && end !== 'ERR_LEASE_HELD')).toEqual([])
    expect(vault.asked.filter((path) => path.endsWith('unwrap'))).toHaveLength(1)
    await expect(method(token, { items }).login(vault, NEVER)).resolves.toBeDefined()
  })

  it('that another instance has opened between our read and our look is used from what it kept', async () => {
    const [items, token, vault] = [memoryItems(), await wrap(SECRET_ID), loginVault(address)]
    const late: LoginVault = {
      ...vault,
      async post(segments, ...rest) {
        if (segments.at(-1) === 'lookup') await method(token, { items }).login(vault, NEVER)
        return vault.post(segments, ...rest)
      },
    }
    await expect(method(token, { items }).login(late, NEVER)).resolves.toBeDefined()
    expect(vault.asked.filter((path) => path.endsWith('unwrap'))).toHaveLength(1)
  })

  it('in a namespace has a path without it', async () => {
    const inTeam = { 'x-vault-namespace': 'team-wrapping' }
    await must('sys/namespaces/team-wrapping', {})
    await must(`sys/auth/${MOUNT}`, { type: 'approle' }, inTeam)
    await must(`auth/${MOUNT}/role/app`, { token_ttl: 60 }, inTeam)
    const role = await admin.request('GET', `auth/${MOUNT}/role/app/role-id`, { headers: inTeam })
    const { role_id: approle_role_id } = (role.body as { data: { role_id: string } }).data
    const wrapped = await must(SECRET_ID, {}, { ...inTeam, 'x-vault-wrap-ttl': '300s' })
    const { token } = (wrapped as Wrapped).wrap_info
    const login = method(token, {}, { approle_role_id }).login(loginVault(address, 'team-wrapping'), NEVER)
    await expect(login).resolves.toMatchObject({ ttlSeconds: 60 })
  })
})
