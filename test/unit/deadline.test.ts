/** How long others are waited for: what is late ends, leaves no timer, and does so whatever the garbage collector took meanwhile. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ask as askDeployment } from '../../functions/cli/answer.ts'
import { systemClock } from '../../src/core/clock.ts'
import { exchange, unlessAborted, withDeadline, within } from '../../src/core/deadline.ts'
import { Secret } from '../../src/core/secret.ts'
import { askOutside } from '../../src/vault/login/outside.ts'
import { vaultTransport } from '../../src/vault/wire/transport.ts'
import { NEVER, refusal } from '../support/logins.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const timeoutMs = 300
const send = (request: Request) => fetch(request)
const never = <T>() => new Promise<T>(() => {})
const late = () => new Error('late')

describe('a deadline outlives the garbage collector', () => {
  let silent: Server
  let address = ''
  beforeEach(async () => {
    silent = createServer()
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    address = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
  })
  afterEach(() => {
    silent.closeAllConnections()
    silent.close()
  })

  /** Once the request is there, all that nobody holds is collected. */
  async function collectUnderWay(): Promise<void> {
    await once(silent, 'request')
    for (let times = 0; times < 3; times += 1) collect()
  }

  it('of a request that nobody else holds', async () => {
    const ended = exchange(address, {}, { ms: timeoutMs, late }, send).catch((error: unknown) => error)
    await collectUnderWay()
    expect(await ended).toEqual(late())
  })

  it('of a request to Vault', async () => {
    const transport = vaultTransport({ address, fetch: send, clock: systemClock, namespace: '', timeoutMs })
    const code = refusal(transport.get({ segments: ['sys', 'health'], token: null, signal: NEVER }))
    await collectUnderWay()
    expect(await code).toBe('ERR_VAULT_TIMEOUT')
  })

  it('of a request to an identity provider', async () => {
    const answer = askOutside({ fetch: send }, { url: address, timeoutMs }, NEVER)
    await collectUnderWay()
    expect(await answer).toBeNull()
  })

  it('of a request of the command line', async () => {
    const target = {
      where: '',
      base: address,
      tokenRemedy: '',
      token: new Secret('t'),
      fetch: send,
      answerMs: timeoutMs,
      close: async () => {},
    }
    const ended = askDeployment(target, 'GET', '/keyring').catch((error: unknown) => error)
    await collectUnderWay()
    expect(await ended).toMatchObject({ document: { code: 'ERR_DEPLOYMENT_TIMEOUT' } })
  })
})

describe('with timers of our own', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('an answer within a time is the answer, or its error, and leaves no timer', async () => {
    expect(await within(10, Promise.resolve('x'))).toBe('x')
    await expect(within(10, Promise.reject(new TypeError('canary')))).rejects.toThrow('canary')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('an answer within a time is an error when it does not come', async () => {
    const ended = within(10, never()).catch((error: unknown) => error)
    await vi.advanceTimersByTimeAsync(10)
    expect(await ended).toMatchObject({ name: 'TimeoutError' })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('work is told in time, and leaves no timer when it throws at once', async () => {
    const told = withDeadline(10, (signal) => unlessAborted(signal, late, never())).catch((error: unknown) => error)
    await vi.advanceTimersByTimeAsync(10)
    expect(await told).toEqual(late())
    const thrown = withDeadline(10, () => {
      throw new TypeError('canary')
    })
    await expect(thrown).rejects.toThrow('canary')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('a request is stopped in time or with the caller, is late in both cases, and leaves no timer', async () => {
    const stopped: string[] = []
    const silent = ({ url, signal }: Request) =>
      new Promise<never>((_resolve, reject) =>
        signal.addEventListener('abort', () => {
          stopped.push(url)
          reject(new TypeError('canary'))
        }),
      )
    const caller = new AbortController()
    const both = [
      exchange('http://a/', {}, { ms: 10, late }, silent),
      exchange('http://b/', {}, { ms: 99, late, signal: caller.signal }, silent),
    ].map(async (ended) => ended.catch((error: unknown) => error))
    await vi.advanceTimersByTimeAsync(10)
    caller.abort()
    expect(await Promise.all(both)).toEqual([late(), late()])
    expect(stopped).toEqual(['http://a/', 'http://b/'])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('a request is not made for a caller who has gone, and one that cannot be made is a defect', async () => {
    const made = vi.fn<(request: Request) => Promise<never>>()
    const gone = AbortSignal.abort()
    await expect(exchange('http://a/', {}, { ms: 10, late, signal: gone }, made)).rejects.toEqual(late())
    expect(() => exchange('no address', {}, { ms: 10, late }, made)).toThrow(TypeError)
    expect([made.mock.calls, vi.getTimerCount()]).toEqual([[], 0])
  })

  it('sleep ends in time, or with the reason of its signal, and leaves no timer', async () => {
    const slept = systemClock.sleep(10, NEVER).then(() => 'slept')
    await vi.advanceTimersByTimeAsync(10)
    expect(await slept).toBe('slept')
    const waking = new AbortController()
    const woken = systemClock.sleep(10, waking.signal).catch((error: unknown) => error)
    waking.abort('morning')
    expect(await woken).toBe('morning')
    await expect(systemClock.sleep(10, waking.signal)).rejects.toBe('morning')
    expect(vi.getTimerCount()).toBe(0)
  })
})
