/** Resolves references straight from the vaults that the settings name, where neither a deployment nor a server is there to be asked. */
import { readEntities } from '../../src/config/entities.ts'
import { unverified } from '../../src/config/foreign.ts'
import { referencesIn } from '../../src/config/names.ts'
import type { Env } from '../../src/config/setting.ts'
import { VAULTS_ROW } from '../../src/config/vaults-set.ts'
import type { ErrorData } from '../../src/core/errors.ts'
import { parseReference } from '../../src/references/grammar.ts'
import { kongFiles } from '../node-shared/kong-files.ts'
import { readReferences } from '../node-shared/references.ts'
import { readTls } from '../node-shared/tls-files.ts'
import { openStraight } from '../node/straight.ts'
import { wrongSettings } from './failure.ts'
import type { ResolvedBody } from './schema.ts'

export type AnsweredReference = ResolvedBody['secrets'][number]

export interface Resolver {
  /** For people. */
  readonly where: string
  /** In the order of the references. @throws a Failure where nothing at all is answered. */
  readonly resolve: (references: readonly string[]) => Promise<readonly AnsweredReference[]>
  readonly close: () => Promise<void>
}

/** Kong's own, '' = none: the vaults in them are asked straight, whatever else there is. */
export interface KongFiles {
  readonly conf: string
  readonly deck: string
}

/** @throws a Failure. */
export async function straight(given: Env, files: KongFiles): Promise<Resolver> {
  const { entities, broken } = await vaultsIn(given, files)
  const { secrets, close } = openStraight(entities, (line) => console.error(line))
  if (secrets === null) throw wrongSettings(broken.flatMap(({ problems }) => problems))
  const prefixes = entities.map(({ prefix }) => prefix).join(', ')
  /** Why a vault that is there in the settings is none. */
  const told = (text: string, error: ErrorData): ErrorData => {
    const parsed = parseReference(text)
    const vault = broken.find(({ prefix }) => prefix !== '' && parsed.ok && prefix === parsed.reference.vault)
    const why = vault?.problems.map(({ name, message }) => `${name} ${message}`).join('; ')
    return why === undefined ? error : { ...error, message: `The vault "${vault?.prefix}" cannot be used: ${why}.` }
  }
  return {
    where: `vaults ${prefixes}, asked from here`,
    async resolve(references) {
      const results = await secrets.resolve(references)
      return results.map((result, at) => {
        if (result.ok) return { value: result.value.value }
        const { code, message, remedy } = told(references[at] ?? '', result.error)
        return { error: { code, message, remedy } }
      })
    },
    close,
  }
}

/** This process is its own caller: what of the environment is not ours is there for it, set aside or not, as in Kong. */
const OWN_ENVIRONMENT: Env = { KONG_VAULT_ENV_TTL: '0' }

async function vaultsIn(given: Env, { conf, deck }: KongFiles) {
  const added = (await kongFiles(conf || null, deck || null, given))(given)
  const list = referencesIn(added.env, 'node').filter((name) => name === VAULTS_ROW[0])
  const { texts, problems: unread } = await readReferences(added.env, list, () => false)
  const env = { ...OWN_ENVIRONMENT, ...added.env, ...Object.fromEntries(texts) }
  const look: Parameters<typeof readEntities>[2] = (tls) => readTls(tls, Date.now()).problems
  const read = readEntities(env, 'node', look, added.env)
  const problems = [...added.problems, ...unread, ...unverified(env), ...read.problems]
  if (problems.length > 0) throw wrongSettings(problems)
  // What is merely not used is for "edge-keyring check" to say.
  for (const notice of read.notices) if (notice.startsWith('WARNING')) console.error(`note: ${notice}`)
  return read
}
