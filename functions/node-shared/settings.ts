/** The settings where there are files: those that Vault's TLS names are looked at too, and all problems are told at once. */
import type { Parsed } from '../../src/config/answering.ts'
import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Env, Runtime } from '../../src/config/setting.ts'
import { readTls } from './tls-files.ts'

export const readSettings = (env: Env, runtime: Exclude<Runtime, 'workers'>): Parsed<Config> =>
  parseConfig(env, runtime, (tls) => readTls(tls, Date.now()))
