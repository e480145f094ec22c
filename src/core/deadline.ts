/** Work with a signal that aborts after `ms`; the timer is cleared at its end, because a live one keeps a Durable Object in memory. */
export async function withDeadline<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), ms)
  try {
    return await work(abort.signal)
  } finally {
    clearTimeout(timer)
  }
}
