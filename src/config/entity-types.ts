/** The types of vault entities: what fields each has, and what follows from them. Who reads one is `entity.ts`. */
import type { SecretName } from '../core/vault-operations.ts'
import { UNVERIFIED } from './foreign.ts'
import type { Rule, Runtime, Table, Values } from './setting.ts'
import { host, kvVersion, matching, namespace, oneOf, onOff, path, safeUrl, vaultPath, wholeNumber } from './values.ts'
import { variableTrouble } from './variables.ts'

const seconds = () => wholeNumber(0, 100_000_000, ' seconds')

/** What every type has. */
export const HOLDING = {
  ttl: { schema: seconds, default: '0' },
  neg_ttl: { schema: seconds, default: '0' },
  resurrect_ttl: { schema: seconds, default: '100000000' },
  resurrect_deleted: { schema: onOff, default: 'off' },
  base64_decode: { schema: onOff, default: 'off', also: ['decode_base64'] },
} as const satisfies Table

export const HOLDING_RULES: readonly Rule<Values<typeof HOLDING>>[] = [
  {
    keys: ['ttl'],
    holds: ({ ttl }) => ttl === 0 || ttl >= 60,
    message: 'must be 0, for what is never asked for again, or 60 seconds or more',
  },
]

interface TypeOf<Fields extends Table> {
  readonly fields: Fields
  readonly rules: readonly Rule<Values<Fields>>[]
  readonly identity: (values: Values<Fields>) => readonly unknown[]
  /** That of the one who pushes must be the same. */
  readonly source: (values: Values<Fields>) => readonly unknown[]
  /** @param taken variables that settings are read from by reference. */
  readonly trouble: (name: SecretName, values: Values<Fields>, taken: ReadonlySet<string>) => string | null
  readonly isOwn: (values: Values<Fields>) => boolean
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

export const TYPES = {
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

export const isType = (word: string): word is EntityType => Object.hasOwn(TYPES, word)

/** The fields of a type with those that all have. */
export const optionsOf = (word: EntityType): Table => ({ ...ownFields(word), ...HOLDING })
