/** `read`, the one call that every look at the keyring makes, goes as a fetch, because a call by name costs the runtime a third more. */
import type { ErrorData, Result } from '../../src/core/errors.ts'
import type { AnswerTo, Message } from '../../src/core/operations.ts'

type Read = Message<'read'>
type ReadResult = Result<AnswerTo<'read'>>

/** A URL needs a host, and objects have none. */
const ORIGIN = 'http://keyring'
const [BYTES, UNCHANGED, NONE, FAILED] = [200, 204, 404, 500]

/** A response without a body can be given to everybody. */
const SAME = new Response(null, { status: UNCHANGED })

export const readUrl = ({ keyring, known }: Read): string => `${ORIGIN}/${keyring}/${known}`

export async function answerRead(url: string, read: (message: Read) => Promise<ReadResult>): Promise<Response> {
  const [keyring = '', known = ''] = url.slice(ORIGIN.length + 1).split('/')
  const answer = await read({ call: 'read', keyring, known: Number(known) })
  if (!answer.ok) return Response.json(answer.error, { status: FAILED })
  if (answer.value === 'unchanged') return SAME
  return answer.value === null ? new Response(null, { status: NONE }) : new Response(answer.value, { status: BYTES })
}

/** @throws anything when the response is no answer of `answerRead`. */
export async function readAnswer(response: Response): Promise<ReadResult> {
  if (response.status === UNCHANGED) return { ok: true, value: 'unchanged' }
  if (response.status === NONE) return { ok: true, value: null }
  if (response.status === BYTES) return { ok: true, value: new Uint8Array(await response.arrayBuffer()) }
  return { ok: false, error: (await response.json()) as ErrorData }
}
