/** Runs a command against the local store, and says so; problems go to standard error with their remedy. */
import { KeyringError } from '../../src/core/errors.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Keyring } from '../../src/keyring/keyring.ts'
import { openInstance } from '../node/instance.ts'
import { LOCAL_FOLDER, prepare } from '../node/local.ts'

export const jsonArg = { json: { type: 'boolean', description: 'Print JSON, for machines.', default: false } } as const

/** Exit status 1 = it did not work, 2 = the settings are wrong. */
export async function withKeyring(json: boolean, work: (keyring: Keyring) => Promise<void>): Promise<void> {
  const setup = await prepare(process.env, { fresh: false })
  const parsed = parseConfig(setup.env, 'node')
  if (!parsed.ok)
    return fail(
      json,
      2,
      { code: 'ERR_CONFIG_INVALID', problems: parsed.problems },
      parsed.problems.map(({ name, message }) => `${name}: ${message}`),
    )
  if (parsed.config === null || setup.database === null)
    return fail(json, 2, { code: 'ERR_CONFIG_INVALID' }, ['The keyring is off, or KEYRING_DATABASE is not set.'])
  if (!json) console.error(`local store ${setup.database}`)
  const instance = openInstance(parsed.config, {
    database: setup.database,
    auditFile: setup.isLocal ? `${LOCAL_FOLDER}/audit.log` : null,
  })
  try {
    await work(await instance.keyring('default'))
  } catch (error) {
    if (!(error instanceof KeyringError)) throw error
    const { code, message, remedy, facts } = error
    fail(json, 1, { code, message, remedy, ...facts }, [`${code}: ${message}`, remedy])
  } finally {
    await instance.close()
  }
}

function fail(json: boolean, exitCode: number, document: object, lines: readonly string[]): void {
  process.exitCode = exitCode
  if (json) console.log(JSON.stringify(document))
  else for (const line of lines) console.error(line)
}
