/** Values that may be there at once: a request that waits for nothing should cost no promise. */

export type Awaitable<T> = Promise<T> | T

/** What is thrown at once is a rejection as well, so that callers meet failures in one way. */
export function orRejected<T>(work: () => Awaitable<T>): Awaitable<T> {
  try {
    return work()
  } catch (error) {
    return Promise.reject(error)
  }
}

/** For whoever has chosen ports that answer at once. */
export function atOnce<T>(value: Awaitable<T>): T {
  if (value instanceof Promise) throw new TypeError('A port that answers later.')
  return value
}

export function andThen<T, U>(value: Awaitable<T>, work: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(work) : work(value)
}
