/** The configuration of whoever asks vaults behind references: with those that can be used, and with what is wrong with others. */
import type { Parsed } from './answering.ts'
import type { Config } from './config.ts'
import type { EntitySettings, LookAtTls } from './entities.ts'
import { readEntities } from './entities.ts'
import type { BrokenEntity } from './entity.ts'
import { forCallers } from './entity.ts'
import type { Env, Runtime } from './setting.ts'

export interface VaultsConfig extends Config {
  /** Absent = there are none. */
  readonly vaults?: readonly EntitySettings[]
  readonly brokenVaults?: readonly BrokenEntity[]
}

/**
 * What is wrong with a vault stops it alone, and is told.
 * @param given the environment in which settings by reference still are references.
 */
export function withVaults(
  parsed: Parsed<Config>,
  env: Env,
  runtime: Runtime,
  lookAtTls?: LookAtTls,
  given: Env = env,
): Parsed<VaultsConfig> {
  if (!parsed.ok || parsed.config === null) return parsed
  const { entities, broken, problems, notices } = readEntities(env, runtime, lookAtTls, given)
  if (problems.length > 0) return { ok: false, problems }
  const unused = broken.flatMap((each) => each.problems.map(({ name, message }) => `not used: ${name}: ${message}`))
  return {
    ok: true,
    config: { ...parsed.config, vaults: forCallers(entities), brokenVaults: broken },
    notices: [...parsed.notices, ...notices, ...unused],
  }
}
