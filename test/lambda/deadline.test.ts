import { describe, expect, it } from 'vitest'
import { parseEvent } from '../../functions/lambda/event.ts'
import { Invocation } from '../../functions/lambda/invocation.ts'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { KeyringError } from '../../src/core/errors.ts'
import type { KeySource } from '../../src/core/ports.ts'
import { Authority } from '../../src/keyring/authority.ts'
import { rare } from '../../src/rare.ts'
import { PLAIN_SYNC, world, wrappingKey } from '../support/authority.ts'
import { SOURCE } from '../support/observed.ts'
import { verbsOf } from '../support/verbs.ts'

const HOUR = 3_600_000

describe('the time of an invocation', () => {
  const context = (ms: number) => ({ awsRequestId: 'r', getRemainingTimeInMillis: () => ms })
  const clock = { time: 1_000_000, now: () => clock.time, sleep: async () => {} }

  it('ends before the platform ends it, and before the caller gives up', () => {
    const invocation = new Invocation(clock)
    expect(invocation.leftMs()).toBe(Number.POSITIVE_INFINITY)
    invocation.begin(context(29_000))
    expect(invocation.leftMs()).toBe(28_500)
    invocation.begin(context(29_000), 10_000)
    expect(invocation.leftMs()).toBe(9500)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, -1e300])(
    'is over when the platform or the caller says %d',
    (ms) => {
      const invocation = new Invocation(clock)
      invocation.begin(context(ms))
      expect(invocation.leftMs()).toBe(0)
      invocation.begin(context(29_000), ms)
      expect(invocation.leftMs()).toBe(0)
    },
  )

  it('is what a call says, if it can be one', () => {
    const event = (withinMs: string) =>
      parseEvent(JSON.parse(`{"call":"diagnose","keyring":"default","login":false,"withinMs":${withinMs}}`))
    for (const withinMs of ['0', '28500.5', '900000'])
      expect(event(withinMs)).toMatchObject({ message: { call: 'diagnose' } })
    for (const withinMs of ['-1', '1e999', '-1e999', '900001', 'null', '"9"']) expect(event(withinMs)).toBeNull()
  })

  it('is over in an instance that was frozen, and counts anew in its next invocation', () => {
    const invocation = new Invocation(clock)
    invocation.begin(context(29_000))
    clock.time += HOUR
    expect(invocation.leftMs()).toBe(0)
    invocation.begin(context(5000))
    expect(invocation.leftMs()).toBe(4500)
  })

  it('is never more than there was, when the clock goes back', () => {
    const invocation = new Invocation(clock)
    invocation.begin(context(5000))
    clock.time -= HOUR
    expect(invocation.leftMs()).toBe(4500)
    clock.time += HOUR
  })

  it('ends a sync that waits for its source, and the status says so', async () => {
    const on = world([])
    const waiting: KeySource = {
      id: SOURCE,
      observe: (signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new KeyringError('ERR_VAULT_TIMEOUT', 'Too late.')))
        }),
      read: () => Promise.reject(new TypeError('Not asked.')),
    }
    const authority = verbsOf(
      new Authority({
        vaults: null,
        doubt: () => {},
        ...on,
        replica: null,
        loginItems: null,
        cipher: nodeCipher,
        hash: nodeHash,
        wrappingKeys: [wrappingKey('w1', 1)],
        log: () => {},
        apiTokens: [],
        sources: new Map([
          ['default', { open: () => waiting, openSink: null, examine: async () => [], ends: async () => [] }],
        ]),
        rotation: { cadence: null, delayMs: 0, prunesHeld: false },
        audit: { note: () => {}, commit: async () => {} },
        loadRare: () => rare,
        syncBatch: 900,
        syncPeriodMs: null,
        maxRecordAgeMs: 604_800_000,
        leftMs: () => 0,
      }),
    )
    expect(await authority.sync('default', PLAIN_SYNC)).toMatchObject({ error: { code: 'ERR_VAULT_TIMEOUT' } })
    expect(await authority.status('default')).toMatchObject({ value: { failures: 1 } })
  })
})
