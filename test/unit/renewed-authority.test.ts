/** When settings by reference are read again, and what becomes of calls meanwhile. */
import { beforeEach, expect, it } from 'vitest'
import type { Config } from '../../src/config/config.ts'
import type { Result } from '../../src/core/errors.ts'
import { refusal } from '../../src/core/errors.ts'
import type { Message, Operation, SyncOptions } from '../../src/core/operations.ts'
import type { Live, Renew } from '../../src/keyring/renewed-authority.ts'
import { RenewedAuthority } from '../../src/keyring/renewed-authority.ts'

interface Opened extends Live<Config> {
  readonly number: number
}

const DENIED = refusal('ERR_VAULT_DENIED', 'Denied.')
const NOTHING = { config: null, problems: [] }
const CHANGED = { config: { keyrings: ['default'] } as unknown as Config, problems: [] }
const WRONG = { config: null, problems: [{ name: 'KEYRING_VAULT_TOKEN', message: 'is wrong' }] }
const LIST = { name: 'KEYRING_WRAPPING_KEYS', message: 'is not taken' }
const PLAIN: SyncOptions = { force: false, adopt: false, token: null }
const message = (call: Operation, options = PLAIN) => ({ call, keyring: 'default', options }) as Message

let now: number
let looks: number
let closed: number[]
let said: string[]
/** Of the authority by its number, from 0 on. */
let answer: (number: number, call: Operation, asked: Message) => Result<unknown> | Promise<Result<unknown>>
let found: Awaited<ReturnType<Renew<Config>>>
let authority: RenewedAuthority<Config, Opened>

beforeEach(() => {
  ;[now, looks, closed, said, found] = [0, 0, [], [], NOTHING]
  answer = (number) => ({ ok: true, value: { number } })
  let opened = -1
  const open = (config: Config): Opened => {
    const number = (opened += 1)
    const call = async (asked: Message) => answer(number, asked.call, asked)
    return { number, config, authority: { call } as Opened['authority'], close: async () => void closed.push(number) }
  }
  const clock = { now: () => now, sleep: async () => {} }
  const renew: Renew<Config> = async () => ((looks += 1), found)
  authority = new RenewedAuthority({
    first: open(CHANGED.config),
    renew,
    open,
    clock,
    tell: (setting) => said.push(setting),
  })
})

it('looks once a minute with the schedule, however many keyrings there are, and not for a read', async () => {
  for (const call of ['syncIfDue', 'syncIfDue', 'diagnose', 'read', 'change'] as const)
    await authority.call(message(call))
  expect(looks).toBe(1)
  now += 60_000
  await authority.call(message('syncIfDue'))
  expect(looks).toBe(2)
  now -= 3_600_000
  await authority.call(message('syncIfDue'))
  expect(looks).toBe(3)
})

it('tries once more with what has changed after a failure at Vault, and not when nothing has', async () => {
  answer = (number) => (number === 0 ? DENIED : { ok: true, value: number })
  expect(await authority.call(message('sync'))).toEqual(DENIED)
  found = CHANGED
  now += 5000
  expect(await authority.call(message('sync'))).toEqual({ ok: true, value: 1 })
  expect(looks).toBe(2)
})

it.each([
  ['rotate', PLAIN],
  ['deliver', PLAIN],
  ['import', PLAIN],
  ['change', PLAIN],
  ['reseal', PLAIN],
  ['syncIfDue', PLAIN],
  ['sync', { ...PLAIN, force: true }],
  ['sync', { ...PLAIN, adopt: true }],
] as const)(
  'carries no %s out twice, since the first may have written: the next call has what was read',
  async (call, options) => {
    let calls = 0
    answer = (number) => {
      calls += 1
      found = CHANGED
      return number === 0 ? DENIED : { ok: true, value: number }
    }
    expect(await authority.call(message(call, options))).toEqual(DENIED)
    expect(calls).toBe(1)
    expect(await authority.call(message('sync'))).toEqual({ ok: true, value: 1 })
  },
)

it.each(['read', 'status', 'seek', 'sync'] as const)(
  'carries a %s out again, which changes nothing twice',
  async (call) => {
    answer = (number) => (number === 0 ? DENIED : { ok: true, value: { number } })
    found = CHANGED
    expect(await authority.call(message(call))).toEqual({ ok: true, value: { number: 1 } })
  },
)

it('looks at most once in five seconds, whoever fails, and only for what a secret may mend', async () => {
  const codes = ['ERR_VAULT_DENIED', 'ERR_VAULT_LOGIN_REFUSED', 'ERR_WRAP_TOKEN_SPENT', 'ERR_VAULT_TLS_FAILED'] as const
  for (const code of codes) {
    answer = () => refusal(code, 'No.')
    for (let call = 0; call < 25; call += 1) await authority.call(message(call % 2 ? 'sync' : 'rotate'))
    now += 5000
  }
  expect(looks).toBe(codes.length)
  const others = [
    'ERR_REQUEST_INVALID',
    'ERR_VAULT_UNREACHABLE',
    'ERR_AWS_UNAVAILABLE',
    'ERR_STORE_UNAVAILABLE',
  ] as const
  for (const code of others) {
    answer = () => refusal(code, 'No.')
    await authority.call(message('sync'))
    now += 5000
  }
  answer = () => DENIED
  await authority.call(message('sync', { ...PLAIN, token: 'of-the-caller' }))
  expect(looks).toBe(codes.length)
})

it('goes on with what another call has read while this one failed', async () => {
  let fail = () => {}
  const slow = new Promise<Result<unknown>>((resolve) => (fail = () => resolve(DENIED)))
  answer = (number, call) => (number > 0 ? { ok: true, value: number } : call === 'sync' ? slow : DENIED)
  const running = authority.call(message('sync'))
  found = CHANGED
  await authority.call(message('rotate'))
  fail()
  expect(await running).toEqual({ ok: true, value: 1 })
  expect(looks).toBe(1)
})

it('looks for a wrapping key that fails at most once in five seconds, because any caller meets it', async () => {
  answer = () => refusal('ERR_WRAPPING_KEY_MISSING', 'Missing.')
  for (let call = 0; call < 3; call += 1) await authority.call(message('read'))
  expect(looks).toBe(1)
  answer = () => refusal('ERR_STORE_UNAVAILABLE', 'Away.')
  now += 5000
  await authority.call(message('read'))
  expect(looks).toBe(1)
})

it('closes what was before when the last call that began with it is over', async () => {
  let finish = () => {}
  const slow = new Promise<Result<unknown>>((resolve) => (finish = () => resolve({ ok: true, value: 'slow' })))
  answer = (number, call) => (call === 'sync' ? slow : { ok: true, value: number })
  const running = authority.call(message('sync'))
  found = CHANGED
  expect(await authority.call(message('syncIfDue'))).toEqual({ ok: true, value: 1 })
  expect(closed).toEqual([])
  finish()
  expect(await running).toEqual({ ok: true, value: 'slow' })
  expect(closed).toEqual([0])
  expect(authority.live.number).toBe(1)
})

it('says what is not taken once, and brings it to the status with each look of the schedule, until it is taken', async () => {
  let brought: readonly unknown[] = []
  answer = (_number, _call, asked) => {
    brought = [...brought, 'refused' in asked ? asked.refused : null]
    return { ok: true, value: null }
  }
  found = WRONG
  for (let minute = 0; minute < 3; minute += 1, now += 60_000) await authority.call(message('syncIfDue'))
  expect(said).toHaveLength(1)
  expect(brought).toEqual([1, 2, 3].map(() => ['KEYRING_VAULT_TOKEN is wrong']))
  found = { ...WRONG, problems: [...WRONG.problems, LIST] }
  await authority.call(message('syncIfDue'))
  expect(said).toEqual(['KEYRING_VAULT_TOKEN', 'KEYRING_WRAPPING_KEYS'])
  found = NOTHING
  now += 60_000
  await authority.call(message('syncIfDue'))
  await authority.call(message('status'))
  expect(brought.slice(-2)).toEqual([[], null])
})
