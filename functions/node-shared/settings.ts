/**
 * The settings where there are files: those that they name are looked at too, and all problems are told at once. Those by reference are
 * read before that, and again while the process runs: then a text that cannot be taken leaves the one before in its place.
 */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Parsed } from '../../src/config/answering.ts'
import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Env, Problem, Runtime } from '../../src/config/setting.ts'
import type { ReadCron } from '../../src/core/ports.ts'
import { WRAPPING_KEYS, entriesOf, readReferences, referencesIn } from './references.ts'
import { readTls } from './tls-files.ts'

type NodeRuntime = Exclude<Runtime, 'workers'>
/** Takes what others have in the environment out of it (`config/others.ts`). */
type Pick = (env: Env) => { readonly env: Env; readonly notices: readonly string[] }

const all: Pick = (env) => ({ env, notices: [] })

/** @param readCron as in `parseConfig`. */
export function readSettings(given: Env, runtime: NodeRuntime, pick = all, readCron?: ReadCron): Parsed<Config> {
  const { env, notices } = pick(given)
  const lookAtFiles: Parameters<typeof parseConfig>[2] = ({ tls, database, isOff }) => {
    const read = tls.map((each) => readTls(each, Date.now()))
    const needsDatabase = runtime === 'node' && !isOff
    return {
      problems: [...read.flatMap(({ problems }) => problems), ...(needsDatabase ? databaseProblems(database) : [])],
      warnings: [...notices, ...read.flatMap(({ warnings }) => warnings)],
    }
  }
  return parseConfig(env, runtime, lookAtFiles, readCron)
}

/** What a look at the settings by reference gives. */
interface Renewed {
  /** `null` = nothing has changed, or nothing that can be taken. */
  readonly config: Config | null
  /** What was not taken, and why. */
  readonly problems: readonly Problem[]
}

/** @param needed the wrapping-key ids that something stored needs; `null` = that cannot be told now. */
export type Renew = (needed: () => Promise<ReadonlySet<string> | null>) => Promise<Renewed>

export interface LiveSettings {
  readonly parsed: Parsed<Config>
  /** `null` = there is no setting by reference. */
  readonly renew: Renew | null
}

export async function liveSettings(
  env: Env,
  runtime: NodeRuntime,
  pick = all,
  readCron?: ReadCron,
): Promise<LiveSettings> {
  const parse = (texts: SettingTexts) => readSettings(withTexts(env, texts), runtime, pick, readCron)
  const names = referencesIn(env, runtime)
  if (names.length === 0) return { parsed: parse(new Map()), renew: null }
  const { texts, problems } = await readReferences(env, names)
  return { parsed: withProblems(parse(texts), problems), renew: renewing(env, texts, parse) }
}

type SettingTexts = ReadonlyMap<string, string>

const withTexts = (env: Env, texts: SettingTexts): Env => ({ ...env, ...Object.fromEntries(texts) })

/** Of a reference that could not be read, what is said of its text says nothing. */
function withProblems(parsed: Parsed<Config>, problems: readonly Problem[]): Parsed<Config> {
  if (problems.length === 0) return parsed
  const unread = new Set(problems.map(({ name }) => name))
  const others = parsed.ok ? [] : parsed.problems.filter(({ name }) => !unread.has(name))
  return { ok: false, problems: [...problems, ...others] }
}

function renewing(env: Env, first: SettingTexts, parse: (texts: SettingTexts) => Parsed<Config>): Renew {
  let held = first
  return async (needed) => {
    const read = await readReferences(env, [...held.keys()])
    const changed = [...read.texts].filter(([name, text]) => held.get(name) !== text)
    if (changed.length === 0) return { config: null, problems: read.problems }
    const lists = changed.filter(([name]) => name === WRAPPING_KEYS)
    const ids = lists.length === 0 ? null : await needed()
    const refused = lists.flatMap(([name, text]) => listProblems(name, held.get(name) ?? '', text, ids))
    const isRefused = (name: string) => refused.some((problem) => problem.name === name)
    const next = new Map([...held, ...changed.filter(([name]) => !isRefused(name))])
    const problems = [...read.problems, ...refused]
    if (changed.every(([name]) => isRefused(name))) return { config: null, problems }
    const parsed = parse(next)
    if (!parsed.ok) return { config: null, problems: [...problems, ...parsed.problems] }
    held = next
    return { config: parsed.config, problems }
  }
}

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

/** The file itself is made; a folder that is not there is a volume that is missing or a word that is misspelt. */
function databaseProblems(database: string | null): Problem[] {
  const message =
    database === null
      ? 'is required: the path of the SQLite file'
      : existsSync(dirname(database))
        ? null
        : 'names a file in a folder that does not exist, or that this user may not enter'
  return message === null ? [] : [{ name: 'KEYRING_DATABASE', message }]
}
