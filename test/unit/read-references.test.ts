/** What was read of references is kept for the next time, of so many and of no long ones: a caller who invents them fills no memory. */
import { beforeEach, expect, it, vi } from 'vitest'
import { refusal } from '../../src/core/errors.ts'
import type * as Grammar from '../../src/references/grammar.ts'
import { Secrets } from '../../src/secrets/secrets.ts'
import { secretWorld } from '../support/secrets.ts'

/** Texts that were parsed. */
const parsed = vi.hoisted((): string[] => [])
vi.mock('../../src/references/grammar.ts', async (original) => {
  const real = await original<typeof Grammar>()
  return {
    ...real,
    readReference(text: string) {
      parsed.push(text)
      return real.readReference(text)
    },
  }
})

const PASS = '{vault://hcv/password/pass1}'
let secrets: Secrets
beforeEach(() => {
  const { clock, sealer, entity } = secretWorld()
  const authority = { call: async () => refusal('ERR_VAULT_UNREACHABLE', 'Nobody is asked.') }
  secrets = new Secrets({ authority, clock, sealer, entities: new Map([['hcv', entity]]), freshMs: 0 })
})

/** Whether it is read anew. */
async function isParsed(text: string): Promise<boolean> {
  parsed.length = 0
  await secrets.resolve([text])
  return parsed.includes(text)
}

it('a reference is read once', async () => {
  expect([await isParsed(PASS), await isParsed(PASS)]).toEqual([true, false])
})

it('of 10,000 others it is kept, and of one more not', async () => {
  const others = Array.from({ length: 10_000 }, (_, at) => `{vault://hcv/s${at}/a}`)
  await secrets.resolve([PASS, ...others.slice(1)])
  expect(await isParsed(PASS)).toBe(false)
  await secrets.resolve(others.slice(0, 1))
  expect(await isParsed(PASS)).toBe(true)
})

it.each([
  [256, false],
  [257, true],
])('one of %i characters: %s, it is read anew', async (length, isAnew) => {
  const text = `{vault://hcv/password/${'x'.repeat(length - '{vault://hcv/password/}'.length)}}`
  expect(text).toHaveLength(length)
  expect([await isParsed(text), await isParsed(text)]).toEqual([true, isAnew])
})
