/**
 * How long others are waited for. There is one timer, and it is cleared when the waiting ends: a live one keeps a Durable Object
 * in memory. Who waits differs in one thing, whether the work can be stopped: `withDeadline` for work that heeds a signal,
 * `exchange` for a request, which must also be held, `within` for an answer that nothing can stop.
 */

async function timed<T>(ms: number, stop: () => void, work: () => Promise<T>): Promise<T> {
  const timer = setTimeout(stop, ms)
  try {
    return await work()
  } finally {
    clearTimeout(timer)
  }
}

/** Work is given a signal that aborts after `ms`, and ends itself. */
export function withDeadline<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController()
  return timed(
    ms,
    () => abort.abort(),
    () => work(abort.signal),
  )
}

/** An answer that does not come within `ms` is given up; whoever was to give it is not told. Without a signal this costs a Worker 7 µs less. */
export function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  return timed(
    ms,
    () => reject(new DOMException('No answer in time.', 'TimeoutError')),
    () => Promise.race([answer, late]),
  )
}

/** An answer is given up when `signal` aborts. The work goes on, for others and for the next request. */
export function unlessAborted<T>(signal: AbortSignal, late: () => Error, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(late())
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

export interface Patience {
  /** The request and the reading of its answer have so many milliseconds. */
  readonly ms: number
  /** It ends the waiting earlier. */
  readonly signal?: AbortSignal
  /** The error that is thrown when the waiting has ended either way. */
  readonly late: () => Error
}

/**
 * One request, and what `answer` makes of it. Redirects are answers. The timer holds the request together with what stops it:
 * Node's Request reaches its own signal by a weak reference, so that without a holder the garbage collector would take the
 * deadline with it. @throws at once, before there is a promise, when no request can be made: that is a defect, not an outage.
 */
export function exchange<T>(
  url: URL | string,
  init: RequestInit,
  { ms, signal, late }: Patience,
  answer: (request: Request) => Promise<T>,
): Promise<T> {
  const abort = new AbortController()
  const sending = { abort, request: new Request(url, { redirect: 'manual', ...init, signal: abort.signal }) }
  const stop = () => sending.abort.abort()
  const send = async () => {
    if (signal?.aborted) throw late()
    signal?.addEventListener('abort', stop)
    try {
      return await timed(ms, stop, () => answer(sending.request))
    } catch (error) {
      throw abort.signal.aborted ? late() : error
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }
  return send()
}
