/**
 * Vault entities as whoever resolves references knows them: what they are called, where they read, how long that holds. It is all that
 * Lambda's HTTP function has of them; logins, and whatever else is needed to ask, are in `entities.ts`.
 */
import { parseJson } from '../core/body.ts'
import type { SecretName } from '../core/vault-operations.ts'
import type { SecretRules, SplitField, VaultView } from '../core/secrets.ts'
import { parseReference } from '../references/grammar.ts'
import { UNVERIFIED } from './foreign.ts'
import type { Env, Problem, Rule, Runtime, Table, Texts, Values } from './setting.ts'
import { rowsOf, textsOf, valuesOf } from './setting.ts'
import { host, kvVersion, matching, namespace, oneOf, onOff, path, safeUrl, vaultPath, wholeNumber } from './values.ts'
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

const seconds = () => wholeNumber(0, 100_000_000, ' seconds')

/** What every type has. */
export const HOLDING = {
  ttl: { schema: seconds, default: '0' },
  neg_ttl: { schema: seconds, default: '0' },
  resurrect_ttl: { schema: seconds, default: '100000000' },
  resurrect_deleted: { schema: onOff, default: 'off' },
  base64_decode: { schema: onOff, default: 'off', also: ['decode_base64'] },
} as const satisfies Table

const HOLDING_RULES: readonly Rule<Values<typeof HOLDING>>[] = [
  {
    keys: ['ttl'],
    holds: ({ ttl }) => ttl === 0 || ttl >= 60,
    message: 'must be 0, for what is never asked for again, or 60 seconds or more',
  },
]

/** In Kong's grammar the last segment is a key; of a file that is not JSON it is the file's own name. */
const fileSplit: SplitField = ({ resource, key }) =>
  key === null || /\.json$/i.test(resource) ? { resource, key } : { resource: `${resource}/${key}`, key: null }

interface TypeOf<Fields extends Table> {
  readonly fields: Fields
  readonly rules: readonly Rule<Values<Fields>>[]
  readonly identity: (values: Values<Fields>) => readonly unknown[]
  /** That of the one who pushes must be the same. */
  readonly source: (values: Values<Fields>) => readonly unknown[]
  /** @param taken variables that settings are read from by reference. */
  readonly trouble: (name: SecretName, values: Values<Fields>, taken: ReadonlySet<string>) => string | null
  readonly isOwn: (values: Values<Fields>) => boolean
  readonly split: SplitField
  readonly only: readonly Runtime[] | null
}

/** The types stand in one table, whose readers know no type's fields. */
const type = <const Fields extends Table>(
  fields: Fields,
  parts: Partial<TypeOf<Fields>> & Pick<TypeOf<Fields>, 'identity' | 'trouble'>,
) =>
  ({
    rules: [],
    isOwn: () => false,
    source: parts.identity,
    split: ((written) => written) satisfies SplitField,
    only: null,
    ...parts,
    fields,
  }) as unknown as Omit<TypeOf<Table>, 'fields'> & { readonly fields: Fields }

const HCV = {
  protocol: { schema: () => oneOf(['http', 'https']), default: 'http' },
  host: { schema: host, default: '127.0.0.1' },
  port: { schema: () => wholeNumber(1, 65_535), default: '8200' },
  namespace: { schema: namespace, default: '' },
  mount: { schema: () => vaultPath(), default: 'secret' },
  kv: { schema: kvVersion, default: 'v1' },
  ssl_verify: { schema: onOff, default: 'on' },
} as const satisfies Table

const AWS = {
  region: {
    schema: () => matching(/^[a-z]{2}(?:-[a-z]+)+-\d{1,2}$/, 'must be a region such as eu-west-1'),
    required: 'the region, such as eu-west-1',
    fallbacks: ['AWS_REGION', 'AWS_DEFAULT_REGION'],
  },
  endpoint_url: { schema: safeUrl },
  assume_role_arn: {
    schema: () => matching(/^arn:[\w-]+:iam::\d{12}:role\/[\w+=,.@/-]+$/, 'must be the ARN of a role'),
  },
  role_session_name: {
    schema: () => matching(/^[\w+=,.@-]{2,64}$/, 'must be 2 to 64 letters, digits or _+=,.@-'),
    default: 'KongVault',
  },
  sts_endpoint_url: { schema: safeUrl },
} as const satisfies Table

const ENV = {
  prefix: {
    schema: () => matching(/^[A-Za-z_-][\w-]*$/, 'must be letters, digits, "_" or "-", no digit first'),
  },
} as const satisfies Table

const FS = { prefix: { schema: path, required: 'the folder that secrets are read from' } } as const satisfies Table

export type HcvValues = Values<typeof HCV>
export type AwsValues = Values<typeof AWS>
export type EnvValues = Values<typeof ENV>
export type FsValues = Values<typeof FS>

/** `undefined` = the host is none. */
export const hrefOf = ({ protocol, host: name, port }: HcvValues): string | undefined =>
  URL.parse(`${protocol}://${name.includes(':') ? `[${name}]` : name}:${port}`)?.href.replace(/\/$/, '')

const TYPES = {
  hcv: type(HCV, {
    rules: [
      {
        keys: ['host', 'protocol', 'port'],
        holds: (all) => hrefOf(all) !== undefined,
        message: 'must be a host name or an IP address',
      },
      { keys: ['ssl_verify'], holds: ({ ssl_verify: isOn }) => isOn, message: UNVERIFIED },
    ],
    identity: (all) => [hrefOf(all), all.namespace, all.mount, all.kv],
    source: (all) => [all.namespace, all.mount, all.kv],
    trouble: ({ resource, version }, { kv }) =>
      kv === 'v1' && version !== null ? 'has a version, and KV version 1 has none' : pathTrouble(resource),
  }),
  aws: type(AWS, {
    identity: (all) => [all.region, all.endpoint_url, all.assume_role_arn],
    source: (all) => [all.region],
    trouble: ({ resource, version }) => {
      if ((version ?? 1) > 2) return 'has a version above 2: 1 is the current one, 2 the previous one'
      return /^[\w/+=.@:-]{1,2048}$/.test(resource) ? null : 'has a resource that no secret is called'
    },
  }),
  env: type(ENV, {
    trouble: (name, { prefix = '' }, taken) => variableTrouble(prefix, name, taken),
    identity: ({ prefix }) => [prefix],
    isOwn: ({ prefix }) => prefix === undefined,
  }),
  fs: type(FS, {
    identity: ({ prefix }) => [prefix],
    split: fileSplit,
    trouble: ({ resource, version }) =>
      version === null ? pathTrouble(resource) : 'has a version, and files have none',
    only: ['node'],
  }),
} as const

export type EntityType = keyof typeof TYPES
export const ENTITY_TYPES = Object.keys(TYPES) as EntityType[]
export const ownFields = (word: EntityType): Table => TYPES[word].fields

/** Whatever else such a segment or character would do, it names no secret. */
const pathTrouble = (resource: string): string | null =>
  resource.split('/').some((segment) => /^\.{0,2}$/.test(segment)) || /[\\\p{Cc}\p{Cs}]/u.test(resource)
    ? 'has an empty, "." or ".." segment, a backslash or a control character'
    : null

/** Kong's rule: capitals, and another variable for what was there before. */
const variableOf = (prefix: string, { resource, version }: SecretName): string =>
  `${prefix}${resource}`.replaceAll('-', '_').toUpperCase() + (version === 2 ? '_PREVIOUS' : '')

/** Variables that settings, logins and platforms are read from. */
const OURS =
  /^(?:(?:EDGE_)?KEYRINGS?|KONG|VAULT|BAO|AWS|DECK|GCE|AZURE|IDENTITY|ACTIONS|NODE|UNDICI)_|^(?:KEYRINGS|HOST|PORT|(?:HTTPS?|ALL|NO)_PROXY)(?:_PREVIOUS)?$/

/** Those that settings name by reference, which are as much of ours: in whatever spelling, also within a list in JSON. */
export const takenFrom = (env: Env): ReadonlySet<string> =>
  new Set(
    Object.entries(env)
      .filter(([name]) => /^(?:KONG_)?KEYRINGS?(?:_(?!REFERENCES$)|$)|^KONG_VAULT_/.test(name))
      .flatMap(([, text = '']) => [text, ...textsIn(parseJson(text))])
      .flatMap(namedVariable),
  )

function namedVariable(text: string): string[] {
  const parsed = parseReference(text.trim())
  if (!parsed.ok || parsed.reference.vault !== 'env') return []
  const { resource, options } = parsed.reference
  const prefixes = (options.get('prefix') ?? ['']).map((prefix) => (prefix === true ? '' : prefix))
  return ['', ...prefixes].map((prefix) => variableOf(prefix, { resource, version: null }))
}

const textsIn = (value: unknown): string[] =>
  typeof value === 'string' ? [value] : value instanceof Object ? Object.values(value).flatMap(textsIn) : []

function variableTrouble(prefix: string, secret: SecretName, taken: ReadonlySet<string>): string | null {
  if ((secret.version ?? 1) > 2) return 'has a version above 2: 1 is the variable, 2 the one that ends in _PREVIOUS'
  const name = variableOf(prefix, secret)
  if (!/^[A-Z_][A-Z\d_]*$/.test(name)) return 'names no variable: letters, digits, "_" and "-"'
  return OURS.test(name) || taken.has(name.replace(/_PREVIOUS$/, '')) || taken.has(name)
    ? 'names a variable that edge-keyring or its platform reads itself'
    : null
}

/** `null` = it is none, or not for references. */
export function readableVariable(prefix: string, name: SecretName, taken: ReadonlySet<string>): string | null {
  return variableTrouble(prefix, name, taken) === null ? variableOf(prefix, name) : null
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

const isType = (word: string): word is EntityType => Object.hasOwn(TYPES, word)
const NO_TYPE = `must be one of ${ENTITY_TYPES.join(', ')}: no other backend is offered here`

/** The fields of a type with those that all have. */
export const optionsOf = (word: EntityType): Table => ({ ...ownFields(word), ...HOLDING })

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
  const { identity, source, trouble, isOwn, split } = TYPES[word]
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
    split,
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
