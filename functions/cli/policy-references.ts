/** `edge-keyring policy --references`: what the login of one vault behind references has to be allowed, by the references that are listed. */
import { forCallers, knownEntities } from '../../src/config/entity.ts'
import type { KnownEntity } from '../../src/config/entity.ts'
import { listedReferences } from '../../src/config/listed-references.ts'
import type { Env } from '../../src/config/setting.ts'
import { REFERENCES } from '../../src/config/vaults-set.ts'
import type { Outcome } from './command.ts'
import { failed, wrongSettings } from './failure.ts'
import { rule } from './policy-rule.ts'

const ARE_READ = 'secretsmanager:GetSecretValue on each secret that is referred to, and kms:Decrypt on their key.'

export function policyOfVault(env: Env, prefix: string): Outcome {
  const { entities, broken, problems } = knownEntities(env, 'node')
  const wrong = [...problems, ...broken.filter((each) => each.prefix === prefix).flatMap((each) => each.problems)]
  if (wrong.length > 0) throw wrongSettings(wrong)
  const entity = entities.find((each) => each.prefix === prefix)
  if (entity === undefined) throw failed('ERR_USAGE', 'The settings have no vault of that prefix.')
  if (entity.type === 'aws') throw failed('ERR_USAGE', `That vault is no HashiCorp Vault: allow ${ARE_READ}`)
  if (entity.type !== 'hcv') throw failed('ERR_USAGE', 'That vault is read without a login.')
  const { secrets, problems: unlisted } = listedReferences(env, entities)
  for (const { name, message } of unlisted) console.error(`note: ${name} ${message}`)
  const resources = [...new Set((secrets.get(prefix) ?? []).map(({ resource }) => resource))]
  const text = policyFor(entity, resources)
  return { document: { policy: text }, screen: text }
}

/** The prefixes of vaults whose logins need a policy of their own. */
export const vaultsWithLogins = (env: Env): readonly string[] =>
  forCallers(knownEntities(env, 'node').entities).flatMap(({ type, prefix }) => (type === 'hcv' ? [prefix] : []))

function policyFor({ prefix, view }: KnownEntity, resources: readonly string[]): string {
  const { mount, kv, namespace } = view.config
  const at = (resource: string): string => `${mount}/${kv === 'v2' ? 'data/' : ''}${resource}`
  const where = namespace === undefined ? '' : `, in the namespace "${namespace}"`
  return [
    `# For the login of the vault "${prefix}"${where}.\n`,
    ...resources.map((resource) => (isLiteral(resource) ? rule(at(resource), ['read']) : notLiteral(resource))),
    `# For each other secret that references name (${REFERENCES} has ${resources.length} of this vault):\n`,
    `# ${rule(at('<secret>'), ['read'])}`,
  ].join('')
}

/** These mean something else in a path of a policy, and nothing there takes that away. */
const isLiteral = (resource: string): boolean => !/["{}]|\*$/.test(resource) && !resource.split('/').includes('+')

const notLiteral = (resource: string): string =>
  `# No rule can name this secret alone, because of a character in it: ${JSON.stringify(resource)}\n`
