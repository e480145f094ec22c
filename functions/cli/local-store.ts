/** The local store, through the same app as a deployment: its rules, its errors and its audit log hold for a command too. */
import { newToken } from '../../src/auth/tokens.ts'
import type { Env } from '../../src/config/setting.ts'
import { Secret } from '../../src/core/secret.ts'
import { openInstance } from '../node/instance.ts'
import { LOCAL_FOLDER, prepare } from '../node/local.ts'
import { nodeHash } from '../node-shared/cipher.ts'
import { readSettings } from '../node-shared/settings.ts'
import { wrongSettings } from './failure.ts'
import type { Target } from './target.ts'
import { ANSWER_MS } from './target.ts'

export async function localStore(env: Env): Promise<Target> {
  const setup = await prepare(env, { fresh: false })
  const parsed = readSettings(setup.env, 'node')
  if (!parsed.ok) throw wrongSettings(parsed.problems)
  const { database } = setup
  if (parsed.config === null) throw wrongSettings([{ name: 'KEYRING_ENABLED', message: 'is off' }])
  if (database === null) throw wrongSettings([{ name: 'KEYRING_DATABASE', message: 'is required' }])
  const token = await newToken(nodeHash)
  const caller = { name: 'cli', sha256: await nodeHash.sha256(token), grants: ['admin'], expiresAt: null }
  const instance = openInstance(parsed.config, {
    database,
    auditFile: setup.isLocal ? `${LOCAL_FOLDER}/audit.log` : null,
    auditStream: process.stderr,
    callers: [caller],
  })
  return {
    where: `local store ${database} (EDGE_KEYRING_URL is not set)`,
    base: 'http://localhost',
    token: new Secret(token),
    fetch: async (request) => instance.app.fetch(request),
    answerMs: ANSWER_MS,
    close: () => instance.close(),
  }
}
