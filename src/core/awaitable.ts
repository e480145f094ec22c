/** Values that may be there at once: a request that waits for nothing should cost no promise. */

export type Awaitable<T> = Promise<T> | T

/** For whoever has chosen ports that answer at once. */
export function atOnce<T>(value: Awaitable<T>): T {
  if (value instanceof Promise) throw new TypeError('A port that answers later.')
  return value
}

export function andThen<T, U>(value: Awaitable<T>, work: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(work) : work(value)
}
