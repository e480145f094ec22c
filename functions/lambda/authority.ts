/** The HTTP function's side of the authority: it reads the table itself; all else is one invoke of the sync function. */
import type { Result } from '../../src/core/errors.ts'
import { KeyringError, settle } from '../../src/core/errors.ts'
import type { KeyringAuthority } from '../../src/core/ports.ts'
import type { Aws } from './aws.ts'
import { exceptionName } from './aws.ts'
import type { AuthorityCall, InvokeEvent } from './messages.ts'
import { MOST_MS } from './invocation.ts'
import { receiveReport, receiveSealed } from './messages.ts'

export interface InvokeParts {
  readonly aws: Aws
  readonly syncFunction: string
  /** How long work that begins now may take, in milliseconds. */
  readonly leftMs: () => number
}

export function invokingAuthority(
  reading: Pick<KeyringAuthority, 'read' | 'status'>,
  parts: InvokeParts,
): KeyringAuthority {
  return {
    ...reading,
    sync: async (keyring, options) => receiveReport(await invoke(parts, { call: 'sync', keyring, options })),
    syncIfDue: (keyring) => invoke(parts, { call: 'syncIfDue', keyring }),
    diagnose: (keyring) => invoke(parts, { call: 'diagnose', keyring }),
    change: async (keyring, change) => receiveSealed(await invoke(parts, { call: 'change', keyring, change })),
  }
}

/** A connection that went stale while the instance was frozen is noticed at its first use: one more attempt. */
async function invoke<T>(parts: InvokeParts, call: AuthorityCall): Promise<Result<T>> {
  const answer = (await send(parts, call)) ?? (await send(parts, call)) ?? 'no connection'
  if (typeof answer === 'string')
    return settle(() => {
      throw new KeyringError('ERR_AUTHORITY_UNAVAILABLE', `The sync function cannot be used (${answer}).`, {
        remedy: 'Try again; if it lasts, check KEYRING_SYNC_FUNCTION and the log of the sync function.',
      })
    })
  return answer as Result<T>
}

/** A text = why there is no answer; `null` = no connection. */
async function send({ aws, syncFunction, leftMs }: InvokeParts, call: AuthorityCall) {
  const timeoutMs = leftMs()
  const event: InvokeEvent = { ...call, withinMs: Math.min(timeoutMs, MOST_MS) }
  try {
    const answer = await aws({
      service: 'lambda',
      path: `/2015-03-31/functions/${encodeURIComponent(syncFunction)}/invocations`,
      headers: { 'content-type': 'application/json', 'x-amz-invocation-type': 'RequestResponse' },
      body: JSON.stringify(event),
      timeoutMs: event.withinMs,
    })
    if (answer.status !== 200) return exceptionName(answer)
    return answer.headers.has('x-amz-function-error') || !isResult(answer.body) ? 'it failed' : answer.body
  } catch (error) {
    return error instanceof Error && error.name === 'AbortError' ? 'no answer in time' : null
  }
}

const isResult = (body: unknown): body is Result<unknown> => typeof (body as { ok?: unknown } | null)?.ok === 'boolean'
