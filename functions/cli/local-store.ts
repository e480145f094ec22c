/** The local store, where there is one already, through the same app as a deployment: its rules, its errors and its audit log hold for a command too. */
import { existsSync, mkdirSync } from 'node:fs'
import { newToken } from '../../src/auth/tokens.ts'
import type { Env } from '../../src/config/setting.ts'
import { Secret } from '../../src/core/secret.ts'
import { openInstance } from '../node/instance.ts'
import { LOCAL_FOLDER, kept, liveSettings, prepare } from '../node/local.ts'
import { nodeHash } from '../node-shared/cipher.ts'
import { failed, wrongSettings } from './failure.ts'
import type { Target } from './target.ts'
import { ANSWER_MS } from './target.ts'

/** @throws a Failure; `ERR_STORE_UNAVAILABLE`. */
export async function localStore(env: Env): Promise<Target> {
  const setup = await prepare(env, kept)
  const { parsed } = await liveSettings(setup.env)
  const config = parsed.ok ? (parsed.config ?? refuseOff()) : null
  const {
    env: { KEYRING_DATABASE: database = '' },
    isLocal,
  } = setup
  if (database !== '' && !existsSync(database)) throw nothingAt(database)
  if (config === null) throw wrongSettings(parsed.ok ? [] : parsed.problems)
  if (isLocal) mkdirSync(LOCAL_FOLDER, { recursive: true, mode: 0o700 })
  const token = await newToken(nodeHash)
  const caller = { name: 'cli', sha256: await nodeHash.sha256(token), grants: ['admin'], expiresAt: null }
  const instance = openInstance(config, {
    database,
    auditFile: isLocal ? `${LOCAL_FOLDER}/audit.log` : null,
    auditStream: process.stderr,
    callers: [caller],
  })
  return {
    where: `local store ${database} (EDGE_KEYRING_URL is not set)`,
    base: 'http://localhost',
    token: new Secret(token),
    tokenRemedy: 'Run the command again.',
    fetch: async (request) => instance.app.fetch(request),
    answerMs: ANSWER_MS,
    close: () => instance.close(),
    own: instance,
  }
}

function refuseOff(): never {
  throw wrongSettings([{ name: 'KEYRING_ENABLED', message: 'is off' }])
}

const nothingAt = (database: string) =>
  failed(
    'ERR_NOTHING_HERE',
    `There is nothing here yet: no server runs in this folder, and ${database} does not exist.`,
  )
