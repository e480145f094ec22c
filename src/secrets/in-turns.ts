/** Many secrets at once, and not all of them: a bound for the vaults and stores that are asked. */

/** In the order given, `most` at a time. @throws the first failure. */
export async function inTurns<T, R>(
  all: readonly T[],
  most: number,
  work: (one: T) => Promise<R>,
): Promise<readonly R[]> {
  const done: R[] = []
  const rest = all.entries()
  const worker = async () => {
    for (const [index, one] of rest) done[index] = await work(one)
  }
  await Promise.all(Array.from({ length: Math.min(most, all.length) }, worker))
  return done
}
