/**
 * Vault entities as whoever resolves references knows them: what they are called, where they read, how long that holds. It is all that
 * Lambda's HTTP function has of them; logins, and whatever else is needed to ask, are in `entities.ts`.
 */
import type { SecretName } from '../core/vault-operations.ts'
import type { SecretRules, VaultView } from '../core/secrets.ts'
import type { SplitField } from '../references/split.ts'
import { splitFor } from '../references/split.ts'
import type { EntityType, HOLDING } from './entity-types.ts'
import { ENTITY_TYPES, HOLDING_RULES, TYPES, isType, optionsOf } from './entity-types.ts'
import type { Env, Problem, Rule, Runtime, Table, Texts, Values } from './setting.ts'
import { rowsOf, textsOf, valuesOf } from './setting.ts'
import { takenFrom } from './variables.ts'
import type { WrittenEntity } from './written-entities.ts'
import { writtenEntities } from './written-entities.ts'

/** What an application needs to resolve references to one vault (`secrets/secrets.ts`). */
export interface KnownEntity {
  readonly prefix: string
  /** That people find it under. */
  readonly name: string
  readonly type: EntityType
  /** All that says where secrets are read from. */
  readonly identity: string
  /** The same but for the address, which is another for whoever pushes. */
  readonly source: string
  readonly rules: SecretRules
  readonly isBase64: boolean
  readonly split: SplitField
  /** `null` = such a secret can be asked for; else the rest of a sentence. */
  readonly trouble: (name: SecretName) => string | null
  /** It is for the process itself and answers no caller: an environment of which no part was set aside. */
  readonly isOwn: boolean
  readonly view: VaultView
}

/** What is wrong with it stops nothing but its own references. */
export interface BrokenEntity {
  /** '' = it has none that is right. */
  readonly prefix: string
  readonly name: string
  readonly problems: readonly Problem[]
}

/** One entity as far as it could be read. */
export interface ReadEntity {
  readonly written: WrittenEntity
  readonly type: EntityType | null
  readonly texts: Texts
  /** Right where there are no problems. */
  readonly values: Readonly<Record<string, unknown>>
  readonly problems: readonly Problem[]
  /** `null` when there are problems. */
  readonly known: KnownEntity | null
}

const RUNTIMES: Readonly<Record<Runtime, string>> = {
  node: 'Node',
  workers: 'Workers',
  'lambda-http': 'Lambda',
  'lambda-sync': 'Lambda',
}

const NO_TYPE = `must be one of ${ENTITY_TYPES.join(', ')}: no other backend is offered here`

/** @param env has what platforms say of themselves. @param taken variables that are ours. */
export function readEntity(
  written: WrittenEntity,
  env: Env,
  runtime: Runtime,
  taken: ReadonlySet<string> = takenFrom(env),
): ReadEntity {
  const { type: word, name, spell } = written
  if (!isType(word)) {
    const problems = [
      ...written.problems,
      { name: name.startsWith('vaults.') ? `${name}.name` : name, message: NO_TYPE },
    ]
    return { written, type: null, texts: new Map(), values: {}, problems, known: null }
  }
  const { only, rules } = TYPES[word]
  const rows = rowsOf(optionsOf(word), spell)
  const texts = textsOf(rows, { ...env, ...written.texts }, runtime)
  const all = [...rules, ...(HOLDING_RULES as readonly Rule<Values<Table>>[])]
  const { values, problems } = valuesOf<Values<Table>>(rows, texts, runtime, all)
  const found = [
    ...written.problems,
    ...(only === null || only.includes(runtime) ? [] : [noPlace(name, runtime)]),
    ...problems.map(({ name: at, message }) => ({ name: at, message })),
  ]
  const known = found.length === 0 ? knownOf({ written, texts, values }, word, taken) : null
  return { written, type: word, texts, values, problems: found, known }
}

const noPlace = (name: string, runtime: Runtime): Problem => ({
  name,
  message: `cannot be used on ${RUNTIMES[runtime]}, which has no folder of secrets`,
})

function knownOf(
  { written, values, texts }: Pick<ReadEntity, 'written' | 'values' | 'texts'>,
  word: EntityType,
  taken: ReadonlySet<string>,
): KnownEntity {
  const { identity, source, trouble, isOwn } = TYPES[word]
  const { prefix, name } = written
  const holding = values as Values<typeof HOLDING>
  return {
    prefix,
    name,
    type: word,
    identity: JSON.stringify([word, ...identity(values)]),
    source: JSON.stringify([word, ...source(values)]),
    rules: {
      ttlMs: holding.ttl * 1000,
      negTtlMs: holding.neg_ttl * 1000,
      resurrectMs: holding.resurrect_ttl * 1000,
      resurrectDeleted: holding.resurrect_deleted,
    },
    isBase64: holding.base64_decode,
    split: splitFor(word),
    trouble: (secret) => trouble(secret, values, taken),
    isOwn: isOwn(values),
    view: {
      name: word,
      prefix,
      description: written.description,
      tags: written.tags,
      config: shown(word, values, texts),
    },
  }
}

function shown(word: EntityType, values: Readonly<Record<string, unknown>>, texts: Texts): VaultView['config'] {
  const fields = Object.keys(optionsOf(word)).map((field) => [field, values[field] ?? texts.get(field)?.[0]?.text])
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined && value !== ''))
}

interface KnownEntities {
  readonly entities: readonly KnownEntity[]
  readonly broken: readonly BrokenEntity[]
  /** They are of no entity. */
  readonly problems: readonly Problem[]
}

export const brokenOf = ({ written: { prefix, name }, problems }: ReadEntity): BrokenEntity => ({
  prefix,
  name,
  problems,
})

/** For whoever asks no vault itself. */
export function knownEntities(env: Env, runtime: Runtime): KnownEntities {
  const { entities: written, problems } = writtenEntities(env)
  const all = written.map((each) => readEntity(each, env, runtime))
  return {
    problems,
    entities: all.flatMap(({ known }) => (known === null ? [] : [known])),
    broken: all.filter(({ known }) => known === null).map(brokenOf),
  }
}

/** What has no part set aside for callers answers none. */
export const forCallers = <E extends KnownEntity>(entities: readonly E[]): readonly E[] =>
  entities.filter(({ isOwn }) => !isOwn)
