/** Settings on Lambda: what is wrong is found once, in init, and goes to the log; callers get names only. */
import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Env } from '../../src/config/names.ts'
import { settingLine } from '../../src/core/lines.ts'
import { awsProblems } from './aws.ts'

/** The names of the settings at fault, or what they say. */
export function readSettings(env: Env, runtime: 'lambda-http' | 'lambda-sync'): Config | readonly string[] {
  const parsed = parseConfig(env, runtime)
  const problems = [...(parsed.ok ? [] : parsed.problems), ...awsProblems(env)]
  for (const { name, message } of problems) console.error(settingLine(name, message))
  if (problems.length > 0 || !parsed.ok) return problems.map(({ name }) => name)
  for (const notice of parsed.notices) console.warn(notice)
  return parsed.config ?? ['KEYRING_ENABLED']
}
