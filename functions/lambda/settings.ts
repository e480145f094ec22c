/** Settings on Lambda: what is wrong is found once, in init, and goes to the log; callers get names only. */
import type { Env, Problem } from '../../src/config/names.ts'
import { settingLine } from '../../src/core/lines.ts'
import { awsProblems } from './aws.ts'

type Parsed<C> =
  | { readonly ok: true; readonly config: C | null; readonly notices?: readonly string[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** `config` null = nothing can be served; `names` are those of the settings at fault. */
export function toldSettings<C>(
  env: Env,
  parsed: Parsed<C>,
): { readonly config: C | null; readonly names: readonly string[] } {
  const problems = [...(parsed.ok ? [] : parsed.problems), ...awsProblems(env)]
  for (const { name, message } of problems) console.error(settingLine(name, message))
  if (problems.length > 0 || !parsed.ok) return { config: null, names: problems.map(({ name }) => name) }
  for (const notice of parsed.notices ?? []) console.warn(notice)
  return { config: parsed.config, names: parsed.config === null ? ['KEYRING_ENABLED'] : [] }
}
