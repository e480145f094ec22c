/**
 * Settings whose texts come from elsewhere, by reference or as bindings of secrets: they are read before anything is checked, and again
 * while the process runs. Then a text that cannot be read or taken leaves the one before in its place.
 */

/** By the names of settings. */
export type SecretTexts = ReadonlyMap<string, string>

interface Problem {
  readonly name: string
  /** It tells the rule, and never the value. */
  readonly message: string
}

export interface ReadTexts {
  readonly texts: SecretTexts
  /** Of those that could not be read. */
  readonly problems: readonly Problem[]
  /** What is left out of those that could; it is told at the start. */
  readonly notices?: readonly string[]
}

type Parsed<C> =
  | { readonly ok: true; readonly config: C | null; readonly notices: readonly string[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** The one setting that is read with its version of before. */
export const WRAPPING_KEYS = 'KEYRING_WRAPPING_KEYS'

export async function live<C>(read: () => Promise<ReadTexts>, parse: (texts: SecretTexts) => Parsed<C>) {
  const { texts, problems, notices = [] } = await read()
  return { parsed: withProblems(parse(texts), problems, notices), renew: renewing(texts, read, parse) }
}

/** Of a text that could not be read, what is said of its absence says nothing. */
function withProblems<C>(parsed: Parsed<C>, problems: readonly Problem[], notices: readonly string[]): Parsed<C> {
  if (problems.length === 0) return parsed.ok ? { ...parsed, notices: [...parsed.notices, ...notices] } : parsed
  const unread = new Set(problems.map(({ name }) => name))
  const others = parsed.ok ? [] : parsed.problems.filter(({ name }) => !unread.has(name))
  return { ok: false, problems: [...problems, ...others] }
}

/** @returns as `Renew` in `keyring/renewed-authority.ts` has it. */
function renewing<C>(first: SecretTexts, read: () => Promise<ReadTexts>, parse: (texts: SecretTexts) => Parsed<C>) {
  let held = first
  return async (needed: () => Promise<ReadonlySet<string> | null>) => {
    const { texts, problems: unread } = await read()
    const changed = [...texts].filter(([name, text]) => held.get(name) !== text)
    const lists = changed.filter(([name]) => name === WRAPPING_KEYS)
    const ids = lists.length === 0 ? null : await needed()
    const refused = lists.flatMap(([name, text]) => listProblems(name, held.get(name) ?? '', text, ids))
    const problems = [...unread, ...refused]
    let taken = without(changed, refused)
    while (taken.length > 0) {
      const next = new Map([...held, ...taken])
      const parsed = parse(next)
      if (parsed.ok) {
        held = next
        return { config: parsed.config, problems }
      }
      problems.push(...parsed.problems)
      const right = without(taken, parsed.problems)
      taken = right.length < taken.length ? right : []
    }
    return { config: null, problems }
  }
}

/** What is wrong keeps what is right from nothing. */
const without = <Text>(texts: readonly (readonly [string, Text])[], problems: readonly Problem[]) =>
  texts.filter(([setting]) => !problems.some(({ name }) => name === setting))

/** A list without an id that something stored needs would lock it away, and so would another key under an id of before. */
function listProblems(name: string, before: string, after: string, needed: ReadonlySet<string> | null): Problem[] {
  const next = entriesOf(after)
  const isNeeded = (entry: string) => needed === null || needed.has(entry.split('/')[0] ?? '')
  return [...entriesOf(before)].flatMap(([id, key]) => {
    const other = next.get(id)
    if (other === key || (other === undefined && !isNeeded(id))) return []
    const what = other === undefined ? 'lacks an id that is still needed' : 'has another key under an id of before'
    return [{ name, message: `is not taken: it ${what}, "${id}"; the list of before stays` }]
  })
}

/** The entries of a list of wrapping keys, by what stands before the key. */
export const entriesOf = (list: string): ReadonlyMap<string, string> =>
  new Map(list.split(',').map((entry) => [entry.trim().replace(/:[^:]*$/, ''), entry.trim()]))
