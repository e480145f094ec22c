/** `read` between Worker and object: each answer arrives as it was given. */
import { expect, it } from 'vitest'
import { answerRead, readAnswer, readUrl } from '../../functions/cloudflare/read-call.ts'
import type { Result } from '../../src/core/errors.ts'
import type { AnswerTo, Message } from '../../src/core/operations.ts'

type Answer = Result<AnswerTo<'read'>>

const MESSAGE: Message<'read'> = { call: 'read', keyring: 'orders-2', known: 1_790_000_000_123 }

const error = {
  code: 'ERR_RECORD_INVALID',
  message: 'It is not ours.',
  remedy: 'Sync.',
  facts: { revision: 7 },
} as const
const ANSWERS: Readonly<Record<string, Answer>> = {
  unchanged: { ok: true, value: 'unchanged' },
  'never synced': { ok: true, value: null },
  'a record': { ok: true, value: new Uint8Array([0, 1, 255]) },
  'an empty record': { ok: true, value: new Uint8Array() },
  'a failure': { ok: false, error },
}

it.each(Object.entries(ANSWERS))('%s', async (_name, answer) => {
  const asked: unknown[] = []
  const response = await answerRead(readUrl(MESSAGE), async (given) => {
    asked.push(given)
    return answer
  })
  expect(await readAnswer(response)).toEqual(answer)
  expect(asked).toEqual([MESSAGE])
})
