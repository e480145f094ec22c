/** One request of the command line and its answer. The token goes to the address that was named, and nowhere else. */
import { parseJson, readText } from '../../src/core/body.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { exchange } from '../../src/core/deadline.ts'
import { networkTrouble } from '../../src/core/network.ts'
import { printable } from '../../src/core/printable.ts'
import { Failure, failed } from './failure.ts'
import { remedyOf } from './remedies.ts'
import type { Target } from './target.ts'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** Parsed, or the text of bytes; `null` = none. */
  readonly body: unknown
}

/** @throws a Failure for every answer that is not a success of a keyring. */
export async function ask(target: Target, method: 'GET' | 'POST', path: string, body?: object): Promise<Answer> {
  const answer = await send(target, method, path, body)
  if (isProblem(answer.body)) throw problemFailure(answer.body, target)
  const { status, headers, type } = answer
  if (status < 200 || status > 299 || (status !== 204 && answer.body === null))
    throw unknown(target, `${status} ${type}`)
  const warning = headers.get('keyring-warning') ?? ''
  if (CODE.test(warning)) console.error(`warning: ${warning}: an older state of the keyring serves`)
  return answer
}

interface Typed extends Answer {
  readonly type: string
}

async function send(target: Target, method: string, path: string, body?: object): Promise<Typed> {
  const { base, token, answerMs } = target
  const init = {
    method,
    headers: {
      authorization: `Bearer ${token.reveal()}`,
      'content-type': body instanceof Uint8Array ? BYTES : 'application/json',
    },
    ...(body !== undefined && { body: body instanceof Uint8Array ? (body as Bytes) : JSON.stringify(body) }),
  }
  const late = () => failed('ERR_DEPLOYMENT_TIMEOUT', `No answer from ${base} within ${answerMs / 1000} s.`)
  const answered = exchange(base + path, init, { ms: answerMs, late }, async (request) =>
    read(await target.fetch(request)),
  )
  return answered.catch((error: unknown) => {
    if (error instanceof Failure) throw error
    const trouble = networkTrouble(error)
    if (trouble === null) throw error
    throw failed('ERR_DEPLOYMENT_UNREACHABLE', `${base} cannot be reached (${trouble.code ?? 'no connection'}).`)
  })
}

const BYTES = 'application/octet-stream'
const JSON_TYPES: ReadonlySet<string> = new Set(['application/json', 'application/problem+json'])

/** The longest answer is a value's, of 5 MB; one that is longer counts as none. */
const MOST_BYTES = 8 * 1024 * 1024

/** A body of another type is not read, because a login page may be of any size. */
async function read(response: Response): Promise<Typed> {
  const { status, headers } = response
  const type = headers.get('content-type')?.split(';')[0]?.trim() ?? ''
  const isRead = type === BYTES || JSON_TYPES.has(type)
  if (!isRead) await response.body?.cancel()
  const text = (isRead && (await readText(response, MOST_BYTES))) || ''
  return { status, headers, type, body: (type === BYTES ? text : parseJson(text)) ?? null }
}

/** Says that what answers there is not a keyring. @param what of it, in a few words of ours. */
export const unknown = ({ base }: Target, what: string): Failure =>
  failed('ERR_DEPLOYMENT_UNKNOWN', `What answers at ${base} is not a keyring (${printable(what.trim())}).`)

const CODE = /^ERR_[A-Z0-9_]{1,60}$/

interface Problem {
  readonly code: string
  readonly detail: string
  readonly remedy: string
}

function isProblem(body: unknown): body is Problem {
  if (typeof body !== 'object' || body === null) return false
  const { code, detail, remedy } = body as Record<string, unknown>
  return typeof code === 'string' && CODE.test(code) && typeof detail === 'string' && typeof remedy === 'string'
}

/** Also for one item of an answer. */
export function problemFailure(problem: Problem, { tokenRemedy }: Target): Failure {
  const { code, detail } = problem
  const remedy = code === 'ERR_UNAUTHENTICATED' ? tokenRemedy : remedyOf(code, problem.remedy)
  return new Failure(1, { ...problem, remedy }, [`${code}: ${printable(detail)}`, printable(remedy)])
}
