/** Values that may be there at once: a request that waits for nothing should cost no promise. */

export type Awaitable<T> = Promise<T> | T

export function andThen<T, U>(value: Awaitable<T>, work: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(work) : work(value)
}
