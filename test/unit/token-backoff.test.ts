/** The stored decisions by themselves: how long a failure keeps from the next login, and what is stored. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KeyringErrorCode } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import type { Tried } from '../../src/vault/token/backoff.ts'
import { afterFailure, leastWait, locksOut } from '../../src/vault/token/backoff.ts'
import { decodeState, encodeState } from '../../src/vault/token/record.ts'
import type { Asking, TokenState } from '../../src/vault/token/state.ts'
import { NO_TOKEN, leased, nextStep, renewed, sharedToken } from '../../src/vault/token/state.ts'
import { NOW } from '../support/observed.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const error = (code: KeyringErrorCode) => ({ code, message: '', remedy: '', facts: {} })
/** A login that failed so, with the request `r`, where Vault locks out. */
const tried = (code: KeyringErrorCode, more: Partial<Tried> = {}): Tried => ({
  error: error(code),
  request: 'r',
  locksOut: true,
  ...more,
})
const ASKING: Asking = { insist: 'none', request: 'r', locksOut: true }
const issued = { token: new Secret('t'), ttlSeconds: 3600, renewable: true, type: 'service', uses: 0 } as const
const state = (more: Partial<TokenState> = {}): TokenState => ({
  ...NO_TOKEN,
  generation: 3,
  token: sharedToken(issued, NOW, 0),
  ...more,
})

describe('failures', () => {
  it('N renewals that fail in an outage take at least the sum of their minimum backoffs, 1 s doubling to 5 min', () => {
    const randoms = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(randoms, fc.integer({ min: 1, max: 5000 }), (jitter, stepMs) => {
        let [now, at] = [NOW, state({ token: { ...sharedToken(issued, NOW, 0), expires: null, due: NOW } })]
        for (const random of jitter) {
          while (nextStep(at, now, null, ASKING).kind === 'use') now += stepMs
          at = afterFailure(at, tried('ERR_VAULT_UNREACHABLE'), now, random)
        }
        const sum = jitter.slice(1).reduce((total, _, index) => total + Math.min(5 * MINUTE, SECOND * 2 ** index), 0)
        expect(now - NOW).toBeGreaterThanOrEqual(sum)
      }),
    )
  })

  it('wait 1 s to 5 min in an outage, 5 min to 1 h after a refusal where Vault locks out, else 5 min', () => {
    const waits = (code: KeyringErrorCode, method: string) =>
      [1, 2, 3, 4, 5, 9, 10, 99].map((count) => leastWait(code, count, locksOut(method)) / SECOND)
    for (const method of ['approle', 'userpass', 'ldap']) {
      expect(waits('ERR_VAULT_TIMEOUT', method)).toEqual([1, 2, 4, 8, 16, 256, 300, 300])
      expect(waits('ERR_VAULT_LOGIN_REFUSED', method)).toEqual([300, 600, 1200, 2400, 3600, 3600, 3600, 3600])
    }
    for (const method of ['jwt', 'kubernetes', 'cert', 'oauth2', 'aws_iam'])
      expect(waits('ERR_VAULT_LOGIN_REFUSED', method)).toEqual(Array(8).fill(300))
  })

  it('add up to a quarter of jitter', () => {
    const next = (random: number) => afterFailure(state(), tried('ERR_VAULT_SEALED'), NOW, random).failing?.nextTry
    expect([next(0), next(1)]).toEqual([NOW + 1000, NOW + 1250])
  })

  it('of another kind begin anew, and an absurd Retry-After is not believed', () => {
    const outage = afterFailure(
      afterFailure(state(), tried('ERR_VAULT_SEALED'), NOW, 0),
      tried('ERR_VAULT_SEALED'),
      NOW,
      0,
    )
    const refused = afterFailure(outage, tried('ERR_VAULT_LOGIN_DENIED'), NOW, 0)
    expect([outage.failing?.count, refused.failing?.count]).toEqual([2, 1])
    const limited = { ...error('ERR_VAULT_RATE_LIMITED'), facts: { retryAfterSeconds: 999_999 } }
    expect(afterFailure(state(), tried('ERR_VAULT_RATE_LIMITED', { error: limited }), NOW, 0).failing?.nextTry).toBe(
      NOW + HOUR,
    )
  })
})

describe('the next step', () => {
  const at = NOW + 45 * MINUTE
  it.each([
    ['uses a token that is not due', state(), NOW, { kind: 'use', until: NOW + 40 * MINUTE }],
    ['renews one that is', state(), at, { kind: 'renew' }],
    ['uses one that is due while somebody is at it', leased(state(), at), at + 1, { kind: 'use', until: at + 30_000 }],
    ['takes over when that lease has run out', leased(state(), at), at + 30_000, { kind: 'renew' }],
    ['logs in when there is none', state({ token: null }), NOW, { kind: 'login' }],
    ['waits when there is none and somebody is at it', leased(state({ token: null }), NOW), NOW, { kind: 'wait' }],
    ['logs in when it has ended', state(), NOW + HOUR, { kind: 'login' }],
    [
      'believes no lease of a clock that is hours ahead',
      state({ token: null, lease: NOW + HOUR }),
      NOW,
      { kind: 'login' },
    ],
  ])('%s', (_name, state, now, expected) => {
    expect(nextStep(state, now, null, ASKING)).toMatchObject(expected)
  })

  describe('after a failure', () => {
    const none = state({ token: null })
    const kind = (failed: TokenState, asking: Partial<Asking>, ms = 0) =>
      nextStep(failed, NOW + ms, null, { ...ASKING, ...asking }).kind
    const outage = afterFailure(none, tried('ERR_VAULT_SEALED'), NOW, 0)
    const later = afterFailure(outage, tried('ERR_VAULT_SEALED'), NOW, 0)
    const refused = afterFailure(none, tried('ERR_VAULT_LOGIN_REFUSED'), NOW, 0)

    it.each<[string, TokenState, Partial<Asking>, string]>([
      ['an outage keeps off the schedule', later, {}, 'failed'],
      ['an outage keeps off another request', later, { request: 'other' }, 'failed'],
      ['an outage does not keep off whoever asks now', later, { insist: 'outage' }, 'login'],
      ['a refusal keeps off whoever asks now', refused, { insist: 'outage' }, 'failed'],
      ['a refusal does not keep off another request', refused, { request: 'other' }, 'login'],
      ['a refusal does not keep off an operator', refused, { insist: 'refusal' }, 'login'],
    ])('%s', (_name, failed, asking, expected) => {
      expect(kind(failed, asking, 1000)).toBe(expected)
    })

    it('nobody insists within a second, or before Retry-After', () => {
      const limited = tried('ERR_VAULT_RATE_LIMITED', {
        error: { ...error('ERR_VAULT_RATE_LIMITED'), facts: { retryAfterSeconds: 40 } },
      })
      const waiting = afterFailure(later, limited, NOW, 0)
      const insisting = { insist: 'refusal' } as const
      expect([kind(refused, insisting, 999), kind(waiting, insisting, 39_999)]).toEqual(['failed', 'failed'])
    })

    it.each([
      [true, 2],
      [false, 8],
    ])('so many requests at most are tried until the next try: locks out %s, %i', (locksOut, most) => {
      let [at, logins] = [none, 0]
      for (let other = 0; other < 50; other += 1) {
        const asking = { ...ASKING, locksOut, request: `of ${other}` }
        if (nextStep(at, NOW, null, asking).kind !== 'login') continue
        logins += 1
        at = afterFailure(at, tried('ERR_VAULT_LOGIN_CLAIMS_REFUSED', asking), NOW, 0)
      }
      expect(logins).toBe(most)
      expect(nextStep(at, NOW + HOUR, null, { ...ASKING, locksOut, request: 'of 49' }).kind).toBe('login')
    })
  })

  it('uses a later generation than the refused one, and no other', () => {
    const step = (generation: number) => nextStep(state(), NOW, { generation, by: 'token' }, ASKING).kind
    expect([step(2), step(3), step(4)]).toEqual(['use', 'login', 'login'])
  })
})

it('a renewal that grants clearly less than the login did is the last one', () => {
  const held = sharedToken(issued, NOW, 0)
  const after = (ttlSeconds: number) => renewed(held, { ...issued, ttlSeconds }, NOW, 0)
  expect([after(3600), after(3599), after(1800)].map(({ renewable }) => renewable)).toEqual([true, true, false])
  expect(after(1800).due).toBe(NOW + 20 * MINUTE)
  expect(after(1800).ttlMs).toBe(HOUR)
})

it('the stored form comes back as it was; anything else counts as nothing', () => {
  const whole = afterFailure(leased(state(), NOW), tried('ERR_VAULT_SEALED'), NOW, 0)
  const stored = JSON.parse(JSON.stringify(encodeState(whole))) as object
  const back = decodeState(stored)
  expect(back).toEqual(whole)
  expect(back.token?.secret.reveal()).toBe('t')
  const { soonest: _soonest, requests: _requests, ...before } = back.failing ?? expect.unreachable()
  expect(decodeState({ ...stored, failing: before }).failing).toEqual({ ...before, soonest: 0, requests: [] })
  for (const other of [null, 7, {}, { ...stored, generation: 'x' }]) expect(decodeState(other)).toEqual(NO_TOKEN)
})
