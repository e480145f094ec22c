/** Vault entities as whoever asks the vaults needs them: to what `entity.ts` reads come logins, the ways there, and names that are no fields. */
import type { AwsCredentialSource, LoginSettings } from '../core/login-settings.ts'
import { isLoopback } from '../core/loopback.ts'
import type { SecretName } from '../core/vault-operations.ts'
import type { ListedSecret } from '../core/secrets.ts'
import type { VaultSettings, VaultTls } from './vault.ts'
import { providerTlsOf, tlsOf } from './vault.ts'
import type { BrokenEntity, KnownEntity, ReadEntity } from './entity.ts'
import { brokenOf, readEntity } from './entity.ts'
import type { AwsValues, EnvValues, FsValues, HcvValues } from './entity-types.ts'
import { hrefOf, optionsOf } from './entity-types.ts'
import { listedReferences } from './listed-references.ts'
import { platformKeys, regionalSts } from './login-aws.ts'
import { loginRows, readLogin } from './login.ts'
import type { Env, Problem, Row, Runtime, Texts } from './setting.ts'
import { isSet, ownNames, rowsOf, textsOf, valuesOf } from './setting.ts'
import type { Settings } from './settings.ts'
import { ASKING, TABLE } from './settings.ts'
import { readableVariable, takenFrom } from './variables.ts'
import { REFERENCES } from './vaults-set.ts'
import { writtenEntities } from './written-entities.ts'

interface HcvBackend {
  readonly type: 'hcv'
  readonly kv: 'v1' | 'v2'
  readonly mount: string
  readonly vault: Omit<VaultSettings, 'rotationLogin' | 'secrets'>
}

interface AwsBackend {
  readonly type: 'aws'
  readonly region: string
  /** `null` = that of the region. */
  readonly endpoint: string | null
  readonly stsEndpoint: string
  readonly assume: { readonly arn: string; readonly session: string } | null
  /** What the environment says. `null` = nothing: then AWS's own client may find some. */
  readonly credentials: AwsCredentialSource | null
}

interface EnvBackend {
  readonly type: 'env'
  /** `null` = a variable that is none, or is not for references. */
  readonly variableOf: (name: SecretName) => string | null
}

interface FsBackend {
  readonly type: 'fs'
  readonly folder: string
}

/** It is not asked from here: whoever reaches it hands over what it says. */
interface PushedBackend {
  readonly type: 'pushed'
}

export interface EntitySettings extends KnownEntity {
  readonly backend: HcvBackend | AwsBackend | EnvBackend | FsBackend | PushedBackend
  /** What KEYRING_REFERENCES has of it. */
  readonly listed: readonly ListedSecret[]
}

export interface Entities {
  readonly entities: readonly EntitySettings[]
  readonly broken: readonly BrokenEntity[]
  /** They are of no entity. */
  readonly problems: readonly Problem[]
  readonly notices: readonly string[]
}

/** Looks at the files that TLS names, where there are files. */
export type LookAtTls = (tls: VaultTls) => readonly Problem[]

/** @param given the environment in which settings by reference still are references: what they name is ours. */
export function readEntities(env: Env, runtime: Runtime, lookAtTls: LookAtTls = () => [], given: Env = env): Entities {
  const { entities: written, problems, notices } = writtenEntities(env)
  const taken = new Set([...takenFrom(env), ...takenFrom(given)])
  const place = placeOf(env, runtime, lookAtTls, taken)
  const all = written.map((each) => readWhole(readEntity(each, env, runtime, taken), place))
  const unlisted = all.flatMap(({ entity }) => (entity === null ? [] : [entity]))
  const { secrets, problems: wrong } = listedReferences(env, unlisted)
  const entities = unlisted.map((entity) => ({ ...entity, listed: secrets.get(entity.prefix) ?? [] }))
  return {
    entities,
    broken: [...all.filter(({ entity }) => entity === null).map(({ read }) => brokenOf(read)), ...brokenList(wrong)],
    problems,
    notices: [...notices, ...all.flatMap((each) => each.notices), ...neverAgain(entities)],
  }
}

const brokenList = (problems: readonly Problem[]): BrokenEntity[] =>
  problems.length === 0 ? [] : [{ prefix: '', name: REFERENCES, problems }]

/** Kong does the same, without a word. */
function neverAgain(entities: readonly EntitySettings[]): string[] {
  const names = entities.filter(({ type, rules }) => type !== 'env' && rules.ttlMs === 0).map(({ prefix }) => prefix)
  if (names.length === 0) return []
  return [`What vaults without a ttl have said is never asked for again, as in Kong (${names.join(', ')}).`]
}

/** Where entities are read, and what all Vaults of a deployment share. */
interface Place {
  readonly env: Env
  readonly runtime: Runtime
  readonly texts: Texts
  readonly shared: Partial<Settings>
  readonly lookAtTls: LookAtTls
  readonly taken: ReadonlySet<string>
}

const SHARED = new Set([
  'KEYRING_STRATEGY',
  'KEYRING_VAULT_CACERT',
  'KEYRING_VAULT_TIMEOUT_MS',
  'KEYRING_VAULT_ALLOW_HTTP',
])
const SHARED_ROWS = TABLE.filter(([, , key]) => SHARED.has(key))

function placeOf(env: Env, runtime: Runtime, lookAtTls: LookAtTls, taken: Place['taken']): Place {
  const texts = textsOf(SHARED_ROWS, env, runtime)
  const { values: shared } = valuesOf<Partial<Settings>>(SHARED_ROWS, texts, runtime)
  return { env, runtime, texts, shared, lookAtTls, taken }
}

interface Whole {
  readonly read: ReadEntity
  readonly entity: EntitySettings | null
  readonly notices: readonly string[]
}

function readWhole(read: ReadEntity, place: Place): Whole {
  const { written, type } = read
  if (type === null) return { read, entity: null, notices: [] }
  const rows = [...rowsOf(optionsOf(type), written.spell), ...(type === 'hcv' ? loginOf(written.spell) : [])]
  const { later, unknown } = strangers(read, rows)
  const isPushed = place.shared.KEYRING_STRATEGY === 'push' && (type === 'hcv' || type === 'aws')
  const { backend, view, problems, notices } = isPushed ? pushedBackend(read) : BACKENDS[type](read, place)
  const found = [
    ...read.problems,
    ...unknown.map((name) => ({ name, message: `is not a field of vaults of the type ${type}` })),
    ...problems,
  ]
  const { known } = read
  const isRight = found.length === 0 && known !== null && backend !== null
  return {
    read: { ...read, problems: found },
    entity: isRight ? { ...known, view: withFields(known.view, view), backend, listed: [] } : null,
    notices: [...later.map((name) => `${name} is not used here: its login comes with a later release.`), ...notices],
  }
}

const withFields = (view: KnownEntity['view'], more: Backend['view']): KnownEntity['view'] => ({
  ...view,
  config: { ...view.config, ...more },
})

const LATER = [
  'aws_auth_nonce',
  'azure_auth_role',
  'azure_login_path',
  'gcp_auth_role',
  'gcp_jwt_exp',
  'gcp_login_path',
  'gcp_service_account',
]

function strangers({ written: { texts, spell }, type }: ReadEntity, rows: readonly Row[]) {
  const known = new Set(rows.flatMap(([name, setting]) => ownNames(name, setting)))
  const others = Object.keys(texts).filter((name) => isSet(texts, name) && !known.has(name))
  const later = new Set(type === 'hcv' ? LATER.map(spell) : [])
  return {
    later: others.filter((name) => later.has(name)),
    unknown: others.filter((name) => !later.has(name)),
  }
}

/** What others keep for their own Vault is nothing to an entity, but what AWS says of the platform is. */
const loginOf = (spell: (field: string) => string): readonly Row[] =>
  loginRows(spell, ASKING).map(([name, { kong: _kong, fallbacks = [], ...setting }, key]) => [
    name,
    { ...setting, fallbacks: fallbacks.filter((other) => other.startsWith('AWS_')) },
    key,
  ])

interface Backend {
  /** Right where nothing is wrong. */
  readonly backend: EntitySettings['backend'] | null
  /** Fields beside those of every reader. */
  readonly view: KnownEntity['view']['config']
  readonly problems: readonly Problem[]
  readonly notices: readonly string[]
}

const plain = (backend: Backend['backend']): Backend => ({ backend, view: {}, problems: [], notices: [] })

/** Whoever pushes logs in; a credential has no business here. */
function pushedBackend({ written: { texts, spell } }: ReadEntity): Backend {
  const logins = loginOf(spell).flatMap(([name, setting]) => ownNames(name, setting))
  const given = logins.filter((name) => isSet(texts, name))
  return {
    ...plain({ type: 'pushed' }),
    notices: given.map((name) => `${name} is not used here: the strategy is push.`),
  }
}

const BACKENDS: Readonly<Record<KnownEntity['type'], (read: ReadEntity, place: Place) => Backend>> = {
  hcv: hcvBackend,
  aws: awsBackend,
  env: ({ values }, { taken }) => {
    const { prefix = '' } = values as EnvValues
    return plain({ type: 'env', variableOf: (name) => readableVariable(prefix, name, taken) })
  },
  fs: ({ values }) => plain({ type: 'fs', folder: (values as FsValues).prefix }),
}

function awsBackend({ written: { name }, values, known }: ReadEntity, { env, runtime }: Place): Backend {
  const credentials = platformKeys(env, runtime !== 'workers')
  const message = 'needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY on Workers, which have no identity at AWS'
  return {
    ...plain(known === null ? null : { ...askedOfAws(values as AwsValues), credentials }),
    problems: runtime === 'workers' && credentials === null ? [{ name, message }] : [],
  }
}

const askedOfAws = ({ region, ...all }: AwsValues): Omit<AwsBackend, 'credentials'> => ({
  type: 'aws',
  region,
  endpoint: all.endpoint_url ?? null,
  stsEndpoint: all.sts_endpoint_url ?? regionalSts(region),
  assume: all.assume_role_arn === undefined ? null : { arn: all.assume_role_arn, session: all.role_session_name },
})

function hcvBackend(read: ReadEntity, place: Place): Backend {
  const { written, values, known } = read
  const { env, runtime, shared, lookAtTls } = place
  const all = values as HcvValues
  const rows = loginOf(written.spell)
  const texts = textsOf(rows, { ...env, ...written.texts }, runtime)
  const login = readLogin({ rows, texts, env, runtime }, false)
  const { auth } = login
  const { KEYRING_VAULT_CACERT: authorities, KEYRING_VAULT_TIMEOUT_MS: timeoutMs = 5000 } = shared
  const tls = tlsOf({ KEYRING_VAULT_CACERT: authorities }, auth, { texts: place.texts, login: texts })
  const providerTls = providerTlsOf(auth, { login: texts })
  const base = { view: publicTexts(rows, texts), notices: login.notices }
  if (auth === null || known === null) return { ...base, backend: null, problems: login.problems }
  const { namespace, kv, mount } = all
  const way = { address: hrefOf(all) ?? '', tls, providerTls, headers: {}, timeoutMs }
  const loginNamespace = login.namespace ?? namespace
  const isOpen = all.protocol === 'http' && !isLoopback(all.host)
  const isAllowed = shared.KEYRING_VAULT_ALLOW_HTTP === true
  return {
    ...base,
    backend: { type: 'hcv', kv, mount, vault: { ...way, namespace, loginNamespace, auth } },
    problems: [
      ...(isOpen && !isAllowed ? [{ name: written.spell('protocol'), message: NOT_OPEN }] : []),
      ...(lacksCertificate(place, auth) ? [{ name: written.spell('auth_method'), message: NO_CERT }] : []),
      ...[tls, providerTls].flatMap((each) => (each === null ? [] : lookAtTls(each))),
    ],
    notices: isOpen && isAllowed ? [openNotice(written.name), ...login.notices] : login.notices,
  }
}

const NOT_OPEN = 'must be https, unless the host is loopback or KEYRING_VAULT_ALLOW_HTTP is on'
const NO_CERT = 'cannot be cert on Workers without KEYRING_VAULT_MTLS'

const openNotice = (name: string): string =>
  `WARNING: ${name} is plain http: anyone on the way can read its token and every secret. Use https.`

const lacksCertificate = ({ env, runtime }: Place, { method }: LoginSettings): boolean =>
  runtime === 'workers' && method === 'cert' && !isSet(env, 'KEYRING_VAULT_MTLS')

/** Anything may stand in the parameters of a token endpoint. */
const publicTexts = (rows: readonly Row[], texts: Texts): Backend['view'] =>
  Object.fromEntries(
    rows
      .filter(([, { secret }, key]) => !secret && key !== 'oauth2_parameters')
      .flatMap(([, , key]) => (texts.get(key) ?? []).slice(0, 1).map(({ text }) => [key, text])),
  )
