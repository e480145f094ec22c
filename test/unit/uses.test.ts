import { expect, it } from 'vitest'
import type { AuditEvent } from '../../src/core/ports.ts'
import { Uses } from '../../src/core/uses.ts'

const use = (more: Partial<AuditEvent> = {}): AuditEvent => ({
  time: 1,
  request: 'r',
  caller: 'app',
  action: 'encrypt',
  keyring: 'default',
  keyId: 'k1',
  count: 1,
  outcome: 'ok',
  code: null,
  ...more,
})

it('successful uses of one key by one caller are added up, others apart', () => {
  const uses = new Uses()
  const others = [{ caller: 'other' }, { action: 'decrypt' }, { action: 'read' }, { keyId: 'k2' }, { keyring: 'b' }]
  for (const more of [{}, { time: 2 }, ...others]) expect(uses.add(use(more))).toBe(true)
  expect(uses.take().map(({ count }) => count)).toEqual([2, 1, 1, 1, 1, 1])
  expect(uses.take()).toEqual([])
})

it.each([{ outcome: 'refused' }, { outcome: 'failed' }, { action: 'remove' }, { action: 'sync' }] as const)(
  '%o has a line of its own',
  (more) => {
    const uses = new Uses()
    expect([uses.add(use(more)), uses.take()]).toEqual([false, []])
  },
)
