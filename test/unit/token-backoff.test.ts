/** The stored decisions by themselves: how long a failure keeps from the next login, and what is stored. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KeyringErrorCode } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { afterFailure, leastWait } from '../../src/vault/token/backoff.ts'
import { decodeState, encodeState } from '../../src/vault/token/record.ts'
import type { TokenState } from '../../src/vault/token/state.ts'
import { NO_TOKEN, leased, nextStep, renewed, sharedToken } from '../../src/vault/token/state.ts'
import { NOW } from '../support/observed.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const error = (code: KeyringErrorCode) => ({ code, message: '', remedy: '', facts: {} })
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
          while (nextStep(at, now, null).kind === 'use') now += stepMs
          at = afterFailure(at, error('ERR_VAULT_UNREACHABLE'), now, random)
        }
        const sum = jitter.slice(1).reduce((total, _, index) => total + Math.min(5 * MINUTE, SECOND * 2 ** index), 0)
        expect(now - NOW).toBeGreaterThanOrEqual(sum)
      }),
    )
  })

  it('wait 1 s to 5 min in an outage, 5 min to 1 h after a refusal', () => {
    const waits = (code: KeyringErrorCode) => [1, 2, 3, 4, 5, 9, 10, 99].map((count) => leastWait(code, count) / SECOND)
    expect(waits('ERR_VAULT_TIMEOUT')).toEqual([1, 2, 4, 8, 16, 256, 300, 300])
    expect(waits('ERR_VAULT_LOGIN_REFUSED')).toEqual([300, 600, 1200, 2400, 3600, 3600, 3600, 3600])
  })

  it('add up to a quarter of jitter', () => {
    const next = (random: number) => afterFailure(state(), error('ERR_VAULT_SEALED'), NOW, random).failing?.nextTry
    expect([next(0), next(1)]).toEqual([NOW + 1000, NOW + 1250])
  })

  it('of another kind begin anew, and an absurd Retry-After is not believed', () => {
    const outage = afterFailure(
      afterFailure(state(), error('ERR_VAULT_SEALED'), NOW, 0),
      error('ERR_VAULT_SEALED'),
      NOW,
      0,
    )
    const refused = afterFailure(outage, error('ERR_VAULT_LOGIN_DENIED'), NOW, 0)
    expect([outage.failing?.count, refused.failing?.count]).toEqual([2, 1])
    const limited = { ...error('ERR_VAULT_RATE_LIMITED'), facts: { retryAfterSeconds: 999_999 } }
    expect(afterFailure(state(), limited, NOW, 0).failing?.nextTry).toBe(NOW + HOUR)
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
    expect(nextStep(state, now, null)).toMatchObject(expected)
  })

  it('uses a later generation than the refused one, and no other', () => {
    const step = (generation: number) => nextStep(state(), NOW, { generation, by: 'token' }).kind
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
  const whole = afterFailure(leased(state(), NOW), error('ERR_VAULT_SEALED'), NOW, 0)
  const stored = JSON.parse(JSON.stringify(encodeState(whole))) as object
  const back = decodeState(stored)
  expect(back).toEqual(whole)
  expect(back.token?.secret.reveal()).toBe('t')
  for (const other of [null, 7, {}, { ...stored, generation: 'x' }]) expect(decodeState(other)).toEqual(NO_TOKEN)
})
