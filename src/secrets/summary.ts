/** How the secrets of one vault fare, in numbers, for a status that says no names. */
import { errorData } from '../core/errors.ts'
import type { VaultSummary } from '../core/vault-operations.ts'
import type { Failing, SecretState } from './life.ts'
import { standing } from './life.ts'
import { troubleOf } from './listed.ts'
import type { Shelf } from './shelf.ts'
import { inTurns } from './in-turns.ts'

/** So many are looked at; a status is asked for often. */
const MOST = 1000
const AT_ONCE = 10
/** Entries of the list that are named. */
const MOST_NAMED = 20

/** @param unrenewed what fails of others, and is stored of none. */
export async function summaryOf(shelf: Shelf, now: number, unrenewed: readonly Failing[]): Promise<VaultSummary> {
  const { rules, listed, backend } = shelf.entity
  const { states, more } = await someOf(shelf)
  const kept = states.filter(({ found }) => found?.kind === 'secret')
  const stands = kept.map((state) => standing(state, rules, now))
  const failing = [...states.flatMap((state) => state.failing ?? []), ...unrenewed]
  const [first] = failing.toSorted((one, other) => one.since - other.since)
  const answers = states.flatMap(({ found, at }) => (found === null ? [] : [at]))
  return {
    kept: stands.filter((each) => each !== 'over').length,
    stale: stands.filter((each) => each === 'stale').length,
    refused: states.filter(({ found }) => found !== null && found.kind !== 'secret').length,
    forbidden: states.filter(({ found }) => found?.kind === 'forbidden').length,
    failing: first === undefined ? null : { count: failing.length, since: first.since, error: first.error },
    more,
    listed: listed.length,
    lacking: await lackingOf(shelf, now),
    last: answers.length === 0 ? null : Math.max(...answers),
    pushed: backend === null,
  }
}

async function someOf(shelf: Shelf): Promise<{ readonly states: readonly SecretState[]; readonly more: boolean }> {
  const states: SecretState[] = []
  let [after, looked]: [string | null, number] = ['', 0]
  while (after !== null && looked < MOST) {
    const { items, next } = await shelf.page(after)
    const found = await inTurns(items, AT_ONCE, (item) => shelf.look(item))
    states.push(...found.flatMap((each) => each?.state ?? []))
    ;[after, looked] = [next, looked + items.length]
  }
  return { states, more: after !== null }
}

async function lackingOf(shelf: Shelf, now: number): Promise<VaultSummary['lacking']> {
  const all = await inTurns(shelf.entity.listed, AT_ONCE, async (one) => {
    const { state, bytes } = await shelf.load(await shelf.nameOf(one), one)
    const isNew = bytes === null && state.failing === null
    const error = isNew ? NOT_YET : await troubleOf(state, one, shelf.entity, now)
    return error === null ? [] : [{ entry: one.entry, error }]
  })
  return all.flat().slice(0, MOST_NAMED)
}

const NOT_YET = errorData('ERR_SECRET_NOT_FOUND', 'Nothing is known of it yet.', {
  remedy: 'Look whether the schedule runs, or, with KEYRING_STRATEGY=push, whether somebody pushes.',
})
