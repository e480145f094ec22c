/** Logins over the transport: what is sent, what is sent again, and what each refusal means. Texts are those of OpenBao 2.7.2 and of Vault 1.21.4 (V), as recorded. */
import { describe, expect, it } from 'vitest'
import { KeyringError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { tokenVault } from '../../src/vault/login/vault.ts'
import { vaultTransport } from '../../src/vault/wire/transport.ts'

interface Given {
  readonly status: number
  readonly errors?: readonly string[]
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

const { signal } = new AbortController()
const LOGIN = ['auth', 'approle', 'login']
const auth = (more: object = {}) => ({
  auth: { client_token: 's.token', lease_duration: 3600, renewable: true, token_type: 'service', num_uses: 0, ...more },
})
const CUT = 'cut'

/** Answers in turn, the last one for ever. */
function vault(answers: readonly (Given | typeof CUT)[], namespace = '') {
  const sent: { method: string; path: string; headers: Headers; body: string }[] = []
  const waits: number[] = []
  const fetch = async (request: Request): Promise<Response> => {
    const answer = answers[Math.min(sent.length, answers.length - 1)]
    const { method, url, headers } = request
    sent.push({ method, path: new URL(url).pathname, headers, body: await request.text() })
    if (answer === undefined || answer === CUT)
      throw Object.assign(new TypeError('fetch failed'), { code: 'ECONNRESET' })
    const body = answer.errors ? { errors: answer.errors } : answer.body
    const text = answer.status === 204 ? null : JSON.stringify(body ?? {})
    return new Response(text, { status: answer.status, ...(answer.headers && { headers: answer.headers }) })
  }
  const clock = { now: () => 0, sleep: async (ms: number) => void waits.push(ms) }
  const address = 'https://vault.example'
  const transport = vaultTransport({ fetch, clock, address, namespace, timeoutMs: 1000 })
  return { of: tokenVault(transport, address, namespace), transport, sent, waits }
}

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'ok',
    (error: unknown) => (error instanceof KeyringError ? error.code : error),
  )

describe('a login', () => {
  it('is a POST without a token, in the namespace of logins', async () => {
    const { of, sent } = vault([{ status: 200, body: auth() }], 'team')
    const { token, ...rest } = await of.login(LOGIN, { role_id: 'r' }, signal)
    expect([token.reveal(), rest]).toEqual(['s.token', { ttlSeconds: 3600, renewable: true, type: 'service', uses: 0 }])
    expect(sent).toMatchObject([{ method: 'POST', path: '/v1/auth/approle/login', body: '{"role_id":"r"}' }])
    const { headers } = sent[0] ?? {}
    expect(['x-vault-token', 'x-vault-namespace', 'x-vault-request'].map((name) => headers?.get(name))).toEqual([
      null,
      'team',
      'true',
    ])
  })

  it.each<[string, number, string]>([
    ['invalid role or secret ID', 400, 'ERR_VAULT_LOGIN_REFUSED'],
    ['invalid username or password', 400, 'ERR_VAULT_LOGIN_REFUSED'],
    ['missing secret_id', 400, 'ERR_VAULT_LOGIN_REFUSED'],
    ['missing token', 400, 'ERR_VAULT_LOGIN_REFUSED'],
    ['missing role_id', 500, 'ERR_VAULT_LOGIN_FAILED'],
    ['V failed to determine alias name from login request', 500, 'ERR_VAULT_LOGIN_FAILED'],
    [
      'source address "127.0.0.1" unauthorized through CIDR restrictions on the secret ID',
      400,
      'ERR_VAULT_LOGIN_ADDRESS_REFUSED',
    ],
    ['auth methods cannot create root tokens', 400, 'ERR_VAULT_LOGIN_ROOT_POLICY'],
    ['no client certificate found', 400, 'ERR_VAULT_LOGIN_CERTIFICATE_REFUSED'],
    ['V client certificate must be supplied', 400, 'ERR_VAULT_LOGIN_CERTIFICATE_REFUSED'],
    ['invalid certificate or no client certificate supplied', 400, 'ERR_VAULT_LOGIN_CERTIFICATE_REFUSED'],
    ['V failed to match all constraints for this login certificate', 400, 'ERR_VAULT_LOGIN_CERTIFICATE_REFUSED'],
    [
      'no chain matching all constraints could be found for this login certificate',
      400,
      'ERR_VAULT_LOGIN_CERTIFICATE_REFUSED',
    ],
    ['V tls connection required', 400, 'ERR_VAULT_LOGIN_CERTIFICATE_REFUSED'],
    ['invalid role name "x"', 400, 'ERR_VAULT_LOGIN_ROLE_UNKNOWN'],
    ['role "x" could not be found', 400, 'ERR_VAULT_LOGIN_ROLE_UNKNOWN'],
    ['entry for role x not found', 400, 'ERR_VAULT_LOGIN_ROLE_UNKNOWN'],
    ['service account name not authorized', 403, 'ERR_VAULT_LOGIN_CLAIMS_REFUSED'],
    ['namespace not authorized', 403, 'ERR_VAULT_LOGIN_CLAIMS_REFUSED'],
    [
      'invalid audience (aud) claim: audience claim does not match any expected audience',
      403,
      'ERR_VAULT_LOGIN_CLAIMS_REFUSED',
    ],
    ['error validating claims: claim "sub" does not match', 400, 'ERR_VAULT_LOGIN_CLAIMS_REFUSED'],
    ['audience claim found in JWT but no audiences bound to the role', 400, 'ERR_VAULT_LOGIN_CLAIMS_REFUSED'],
    ['IAM Principal "arn" does not belong to the role "x"', 400, 'ERR_VAULT_LOGIN_CLAIMS_REFUSED'],
    ['permission denied', 403, 'ERR_VAULT_LOGIN_DENIED'],
    ['1 error occurred:\n\t* permission denied\n\n', 403, 'ERR_VAULT_LOGIN_DENIED'],
    ['namespace not found', 404, 'ERR_VAULT_NAMESPACE_NOT_FOUND'],
    ['Vault is sealed', 503, 'ERR_VAULT_SEALED'],
  ])('answered %j with %i means a code, with a step and a remedy, after one request', async (text, status, code) => {
    const { of, sent } = vault([{ status, errors: [text.replace(/^V /, '')] }])
    const error: unknown = await of.login(LOGIN, {}, signal).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code, facts: { step: 'login', vaultStatus: status, host: 'vault.example' } })
    expect(String(error)).not.toContain(text)
    expect(sent).toHaveLength(1)
  })

  it('that asks for a second factor is refused as such', async () => {
    const recorded = auth({
      client_token: '',
      lease_duration: 0,
      renewable: false,
      token_type: 'default',
      mfa_requirement: { mfa_request_id: '92c7e601', mfa_constraints: { e: { any: [{ type: 'totp' }] } } },
    })
    expect(await codeOf(vault([{ status: 200, body: recorded }]).of.login(LOGIN, {}, signal))).toBe(
      'ERR_VAULT_LOGIN_MFA',
    )
  })

  it('answered with something else is no login', async () => {
    for (const answer of [{ status: 200, body: { data: {} } }, { status: 404, errors: [] }, { status: 204 }])
      expect(await codeOf(vault([answer]).of.login(LOGIN, {}, signal))).toBe('ERR_VAULT_ANSWER_INVALID')
  })

  it.each<[string, Given | typeof CUT, number]>([
    ['502', { status: 502, errors: [] }, 3],
    ['503', { status: 503, errors: ['node is not active'] }, 3],
    ['429', { status: 429, errors: ['rate limit quota exceeded'] }, 3],
    ['412', { status: 412, errors: [] }, 3],
    ['a cut connection', CUT, 3],
    [
      '500 of a node without a leader',
      { status: 500, errors: ['local node not active but active cluster node not found'] },
      3,
    ],
    ['500', { status: 500, errors: ['internal error'] }, 1],
    ['400', { status: 400, errors: ['Upgrading from non-versioned to versioned data'] }, 1],
  ])('answered with %s is sent as often as that may help', async (_name, answer, times) => {
    const { of, sent, waits } = vault([answer])
    expect(await codeOf(of.login(LOGIN, {}, signal))).toMatch(/^ERR_VAULT_/)
    expect(sent).toHaveLength(times)
    expect(waits.every((ms) => ms >= 1000 && ms <= 1500)).toBe(true)
  })
})

describe('a POST that may work only once', () => {
  it.each<[string, Given | typeof CUT]>([
    ['502', { status: 502, errors: [] }],
    ['503', { status: 503, errors: ['node is not active'] }],
    ['429', { status: 429, errors: [] }],
    ['a cut connection', CUT],
    ['a redirect', { status: 307, headers: { location: 'https://leader.example/v1/sys/wrapping/unwrap' } }],
  ])('is never sent twice, not after %s', async (_name, answer) => {
    const { of, sent } = vault([answer])
    expect(await codeOf(of.post(['sys', 'wrapping', 'unwrap'], {}, 'wrapping', signal))).toMatch(/^ERR_VAULT_/)
    expect(sent).toHaveLength(1)
    expect(sent[0]?.headers.get('x-vault-token')).toBe('wrapping')
  })
})

describe('a redirect of a standby', () => {
  const to = (location: string): Given => ({ status: 307, headers: { location } })
  const leader = to('https://leader.example/v1/auth/approle/login')

  it('is not followed: the configured address is asked again until there is a leader', async () => {
    const { of, sent, waits } = vault([leader, leader, leader, { status: 200, body: auth() }])
    expect(await codeOf(of.login(LOGIN, {}, signal))).toBe('ok')
    expect([sent.length, waits.length]).toEqual([4, 3])
  })

  it('is waited through for 6 s and more, and then is an error', async () => {
    const { of, waits } = vault([leader])
    expect(await codeOf(of.login(LOGIN, {}, signal))).toBe('ERR_VAULT_REDIRECTED')
    expect(waits.reduce((sum, ms) => sum + ms)).toBeGreaterThanOrEqual(6000)
  })

  it.each(['/v1/auth/approle/login', 'leader:8200', 'no url', ''])(
    'may name what cannot be read, %j, and is waited through as well',
    async (location) => {
      const { of, sent } = vault([to(location), to(location), { status: 200, body: auth() }])
      expect(await codeOf(of.login(LOGIN, {}, signal))).toBe('ok')
      expect(sent).toHaveLength(3)
    },
  )

  it.each(['https://login.example/', 'https://vault.example/v1/auth/approle/login'])(
    'is not what leads to %j: that is an error at once',
    async (location) => {
      const { of, sent } = vault([to(location)])
      expect(await codeOf(of.login(LOGIN, {}, signal))).toBe('ERR_VAULT_REDIRECTED')
      expect(sent).toHaveLength(1)
    },
  )
})

describe('a token', () => {
  const token = new Secret('s.token')

  it('is revoked as well as can be', async () => {
    const { of, sent } = vault([{ status: 503, errors: [] }])
    await of.revoke(token, signal)
    expect(sent).toMatchObject([{ path: '/v1/auth/token/revoke-self' }])
    await vault([{ status: 204 }]).of.revoke(token, signal)
  })

  it.each([
    ['lease is not renewable', 400, 'ERR_VAULT_REQUEST_REFUSED'],
    ['batch tokens cannot be renewed', 400, 'ERR_VAULT_REQUEST_REFUSED'],
    ['1 error occurred:\n\t* permission denied\n\n', 403, 'ERR_VAULT_DENIED'],
    ['Vault is sealed', 503, 'ERR_VAULT_SEALED'],
  ])('that cannot be renewed says why: %j', async (text, status, code) => {
    expect(await codeOf(vault([{ status, errors: [text] }]).of.renew(token, signal))).toBe(code)
  })

  it.each([
    ['permission denied', 'token'],
    ['2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n', 'token'],
    ['1 error occurred:\n\t* permission denied\n\n', 'policy'],
    ['preflight capability check returned 403', 'policy'],
  ])('that is refused with %j: it is the %s', async (text, denied) => {
    const { transport } = vault([{ status: 403, errors: [text] }])
    const read = transport.get({ segments: ['a'], token: 's.token', signal })
    await expect(read).rejects.toMatchObject({ code: 'ERR_VAULT_DENIED', facts: { denied } })
  })

  it.each([
    ['the one asked for', 'team', { namespace_path: 'team/' }, 'ok'],
    ['the one asked for, with slashes', '/team/keys/', { namespace_path: 'team/keys/' }, 'ok'],
    ['the root, as in Vault Community', 'team', {}, 'ERR_VAULT_NAMESPACE_IGNORED'],
    ['another one', 'team', { namespace_path: 'other/' }, 'ERR_VAULT_NAMESPACE_IGNORED'],
  ])('of a namespace is looked at: %s', async (_name, namespace, data, expected) => {
    const { of } = vault([{ status: 200, body: { data } }], namespace)
    expect(await codeOf(of.checkNamespace(token, signal))).toBe(expected)
  })

  it('that may not be looked at passes, and without a namespace nothing is asked', async () => {
    const blind = vault([{ status: 403, errors: ['permission denied'] }], 'team')
    expect(await codeOf(blind.of.checkNamespace(token, signal))).toBe('ok')
    for (const namespace of ['', 'root', '/']) {
      const { of, sent } = vault([{ status: 500 }], namespace)
      await of.checkNamespace(token, signal)
      expect(sent).toEqual([])
    }
  })
})
