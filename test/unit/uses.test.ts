import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { lambdaAudit } from '../../functions/lambda/audit.ts'
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
  for (const more of [{}, { time: 2 }, ...others]) expect(uses.add(use(more))).toBeGreaterThan(0)
  expect(uses.take().map(({ count }) => count)).toEqual([2, 1, 1, 1, 1, 1])
  expect(uses.take()).toEqual([])
})

it.each([
  { outcome: 'failed' },
  { action: 'remove' },
  { action: 'sync' },
  { outcome: 'refused', action: 'replica' },
] as const)('%o has a line of its own', (more) => {
  const uses = new Uses()
  expect([uses.add(use(more)), uses.take()]).toEqual([0, []])
})

describe('refusals', () => {
  const refused = (more: Partial<AuditEvent>) =>
    use({ outcome: 'refused', code: 'ERR_FORBIDDEN', keyId: null, ...more })

  it('of one caller with one code are one line, which names what they have in common', () => {
    const uses = new Uses()
    const events = [{ request: 'first' }, { request: 'second' }, { keyring: 'orders' }, { action: 'sync' }]
    expect(events.map((more) => uses.add(refused(more)))).toEqual([1, 2, 3, 4])
    expect(uses.take()).toEqual([{ ...refused({ request: 'first' }), count: 4, action: 'several', keyring: null }])
  })

  it('of others, with other codes, or of what asked for more, are apart', () => {
    const uses = new Uses()
    const events = [{}, { caller: null }, { code: 'ERR_UNAUTHENTICATED' }, { facts: { force: true } }] as const
    expect(events.map((more) => uses.add(refused(more)))).toEqual([1, 1, 1, 1])
  })

  it('take no more room, whatever a caller makes up', () => {
    const uses = new Uses()
    for (let index = 0; index < 10_000; index += 1)
      uses.add(refused({ caller: null, keyring: `k${index}`, action: `A${index}`, request: `r${index}` }))
    expect(uses.take()).toMatchObject([{ count: 10_000, action: 'several', keyring: null }])
  })
})

describe("Lambda's audit log", () => {
  const lines: unknown[] = []
  beforeEach(() => {
    vi.useFakeTimers()
    lines.length = 0
    vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(JSON.parse(line)))
  })
  afterEach(() => {
    vi.restoreAllMocks()
    vi.useRealTimers()
  })
  const refused = (action: string, request: string): AuditEvent =>
    use({ outcome: 'refused', code: 'ERR_FORBIDDEN', keyId: null, action, request })

  it('has a refusal at once, and the like of the next second in one line, which is of these alone', () => {
    for (const [action, request] of [
      ['sync', 'a'],
      ['read', 'b'],
      ['read', 'c'],
    ] as const)
      lambdaAudit.note(refused(action, request))
    expect(lines).toMatchObject([{ action: 'sync', request: 'a', count: 1 }])
    vi.runAllTimers()
    expect(lines.slice(1)).toMatchObject([{ action: 'read', request: 'b', count: 2 }])
    lambdaAudit.note(refused('read', 'd'))
    vi.runAllTimers()
    expect(lines.slice(2)).toMatchObject([{ request: 'd', count: 1 }])
  })
})
