/** The settings where there are files: those that they name are looked at too, and all problems are told at once. It does not load what reads those of TLS. */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Parsed } from '../../src/config/answering.ts'
import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Env, Problem, Runtime } from '../../src/config/setting.ts'
import type { ReadCron } from '../../src/core/ports.ts'
import type { readTls } from './tls-files.ts'

/**
 * @param read of `tls-files.ts`; `null` = no setting names a file of TLS.
 * @param pick takes what others have in the environment out of it (`config/others.ts`).
 * @param readCron as in `parseConfig`.
 */
export function settingsBy(
  read: typeof readTls | null,
  given: Env,
  runtime: Exclude<Runtime, 'workers'>,
  pick = (env: Env): { env: Env; notices: readonly string[] } => ({ env, notices: [] }),
  readCron?: ReadCron,
): Parsed<Config> {
  const { env, notices } = pick(given)
  const lookAtFiles: Parameters<typeof parseConfig>[2] = ({ tls, database, isOff }) => {
    const looks = read === null ? [] : tls.map((each) => read(each, Date.now()))
    const needsDatabase = runtime === 'node' && !isOff
    return {
      problems: [...looks.flatMap(({ problems }) => problems), ...(needsDatabase ? databaseProblems(database) : [])],
      warnings: [...notices, ...looks.flatMap(({ warnings }) => warnings)],
    }
  }
  return parseConfig(env, runtime, lookAtFiles, readCron)
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
