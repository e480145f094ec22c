/** What is an outage and what is a refusal, for each step: the codes that come of an answer, and what Retry-After says. */
import { describe, expect, it } from 'vitest'
import type { KeyringError, KeyringErrorCode } from '../../src/core/errors.ts'
import { VAULT_REMEDIES } from '../../src/core/vault-remedies.ts'
import { REMEDIES } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { tokenVault } from '../../src/vault/login/vault.ts'
import { ROWS, isOutage, isUntouched } from '../../src/vault/wire/outages.ts'
import { retryAfter } from '../../src/vault/wire/retry-after.ts'
import { vaultTransport } from '../../src/vault/wire/transport.ts'
import { NOW } from '../support/observed.ts'
import { loginMethod, loginVault, NEVER, refusal } from '../support/logins.ts'

const PAGE = '<html>nginx</html>'
const says = (...errors: string[]) => JSON.stringify({ errors })
const ADDRESS = 'https://vault.example'

/** One answer for ever, to each step. */
function answered(status: number, body: string, headers: Record<string, string> = {}) {
  const clock = { now: () => NOW, sleep: async () => {} }
  const fetch = async () => new Response(body, { status, headers })
  const transport = vaultTransport({ fetch, clock, address: ADDRESS, namespace: '', timeoutMs: 1000 })
  const vault = tokenVault(transport, ADDRESS, '')
  const token = new Secret('s.token')
  const failure = (work: Promise<unknown>) =>
    work.then(
      () => expect.unreachable('it should have failed'),
      (error: KeyringError) => error,
    )
  return {
    read: () => failure(transport.get({ segments: ['x'], token: 't', signal: NEVER })),
    login: () => failure(vault.login(['auth', 'approle', 'login'], {}, NEVER)),
    renewal: () => failure(vault.renew(token, NEVER)),
    wrap: () => failure(vault.post(['sys', 'wrapping', 'unwrap'], {}, 'w', NEVER)),
  }
}
type Step = keyof ReturnType<typeof answered>
const STEPS: readonly Step[] = ['read', 'login', 'renewal', 'wrap']

describe('an outage, at each step', () => {
  it.each<[string, number, string, KeyringErrorCode, boolean]>([
    ['a page of a balancer', 500, PAGE, 'ERR_VAULT_UNAVAILABLE', false],
    ['a page of a balancer', 502, PAGE, 'ERR_VAULT_UNAVAILABLE', false],
    ['no body', 503, '', 'ERR_VAULT_UNAVAILABLE', false],
    ['a page of a balancer', 504, PAGE, 'ERR_VAULT_UNAVAILABLE', false],
    ['a page', 200, PAGE, 'ERR_VAULT_ANSWER_INVALID', false],
    ['a page', 403, PAGE, 'ERR_VAULT_ANSWER_INVALID', false],
    ['half an answer', 200, '{"auth":{"cli', 'ERR_VAULT_ANSWER_INVALID', false],
    ['sealed', 503, says('Vault is sealed'), 'ERR_VAULT_SEALED', true],
    ['a quota', 429, says('rate limit quota exceeded'), 'ERR_VAULT_RATE_LIMITED', true],
    ["a balancer's quota", 429, PAGE, 'ERR_VAULT_RATE_LIMITED', true],
    ['DR', 400, says('path disabled in replication DR secondary mode'), 'ERR_VAULT_STANDBY', true],
    ['DR', 472, says(), 'ERR_VAULT_STANDBY', true],
    ['a performance standby', 473, says(), 'ERR_VAULT_STANDBY', true],
    ['no leader', 500, says('local node not active but active cluster node not found'), 'ERR_VAULT_STANDBY', true],
    ['read-only', 400, says('failed to persist: cannot write to readonly storage'), 'ERR_VAULT_UNAVAILABLE', false],
    ['a new mount', 400, says('Waiting for the primary to upgrade from non-versioned'), 'ERR_VAULT_UNAVAILABLE', false],
    ['not initialised', 501, says('Vault is not initialized'), 'ERR_VAULT_NOT_INITIALIZED', true],
    ['Vault behind', 412, says(), 'ERR_VAULT_UNAVAILABLE', false],
    ['Vault', 503, says('namespace API access is locked'), 'ERR_VAULT_UNAVAILABLE', false],
  ])('%s (%i)', async (_name, status, body, code, untouched) => {
    const steps = answered(status, body)
    for (const step of STEPS) {
      const error = await steps[step]()
      expect([step, error.code, isOutage(error.code), isUntouched(error)]).toEqual([step, code, true, untouched])
    }
  })
})

describe('a refusal', () => {
  it.each<[Step, number, string, KeyringErrorCode]>([
    ['read', 403, says('permission denied'), 'ERR_VAULT_DENIED'],
    ['read', 400, says('missing client token'), 'ERR_VAULT_DENIED'],
    ['read', 404, says('no handler for route "x"'), 'ERR_VAULT_MOUNT_NOT_FOUND'],
    ['login', 400, says('invalid role or secret ID'), 'ERR_VAULT_LOGIN_REFUSED'],
    ['login', 403, says('permission denied'), 'ERR_VAULT_LOGIN_DENIED'],
    ['login', 500, says('token is expired'), 'ERR_VAULT_LOGIN_CLAIMS_REFUSED'],
    ['renewal', 400, says('lease is not renewable'), 'ERR_VAULT_REQUEST_REFUSED'],
    ['renewal', 500, says('past the max TTL, cannot renew'), 'ERR_VAULT_REQUEST_REFUSED'],
    ['wrap', 400, says('wrapping token is not valid or does not exist'), 'ERR_VAULT_REQUEST_REFUSED'],
  ])('%s: %i %s', async (step, status, body, code) => {
    const error = await answered(status, body)[step]()
    expect([error.code, isOutage(error.code), isUntouched(error)]).toEqual([code, false, false])
  })
})

it('of STS passes or not by what it says', async () => {
  const options = {
    auth_method: 'aws_iam',
    aws_auth_region: 'us-east-1',
    aws_access_key_id: 'AKIATESTTESTTESTTEST',
    aws_secret_access_key: 'test',
    aws_assume_role_arn: 'arn:aws:iam::123456789012:role/x',
  }
  const sts = (code: string) => `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code></Error></ErrorResponse>`
  const codes = []
  for (const [status, body] of [
    [200, PAGE],
    [400, sts('Throttling')],
    [400, sts('IDPCommunicationError')],
    [503, PAGE],
    [429, ''],
    [403, sts('AccessDenied')],
    [403, PAGE],
  ] as const) {
    const method = loginMethod(options, { fetch: async () => new Response(body, { status }) })
    codes.push(await refusal(method.login(loginVault('http://127.0.0.1:9'), NEVER)))
  }
  expect(codes).toEqual([
    ...Array.from({ length: 5 }, () => 'ERR_AWS_UNAVAILABLE'),
    ...Array.from({ length: 2 }, () => 'ERR_AWS_ROLE_REFUSED'),
  ])
})

describe('Retry-After', () => {
  const seconds = (text: string, date = '') => retryAfter(new Headers({ 'retry-after': text, date }), NOW)
  const at = (ms: number) => new Date(ms).toUTCString()

  it('is a number of seconds, or a date', () => {
    expect(['0', '7', at(NOW + 40_000), at(NOW - 40_000)].map((text) => seconds(text))).toEqual([0, 7, 40, 0])
  })

  it('counts from the clock of who sent it', () => {
    expect(seconds(at(NOW + 3_600_000 + 9000), at(NOW + 3_600_000))).toBe(9)
  })

  it('is bounded, and nothing else is believed', () => {
    const year = 365 * 86_400_000
    expect(['999999', at(NOW + year)].map((text) => seconds(text))).toEqual([86_400, 86_400])
    expect(['', 'soon', '-1', '1e9', '20270101', '2027-01-01'].map((text) => seconds(text))).toEqual(
      Array(6).fill(null),
    )
  })

  it('of an answer becomes a fact, also at a login', async () => {
    const limited = answered(429, says('quota'), { 'retry-after': at(NOW + 60_000) })
    for (const step of STEPS) expect((await limited[step]()).facts).toMatchObject({ retryAfterSeconds: 60 })
  })
})

it('each code is either an outage or a refusal, whatever row it came of', () => {
  const refusals = Object.keys({ ...REMEDIES, ...VAULT_REMEDIES }).filter((code) =>
    /_(REFUSED|DENIED|MFA|SPENT)$/.test(code),
  )
  expect(refusals.filter((code) => isOutage(code as KeyringErrorCode))).toEqual([])
  expect(ROWS.at(-1)).toEqual({ outage: null })
})
