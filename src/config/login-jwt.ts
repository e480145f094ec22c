/** The logins `jwt` and `oauth2`: a JWT that is given, one of the platform, or one that an identity provider issues to a client. */
import { identityOf } from '#server/config/identities'
import type { IdentityEndpoint, OAuth2Client } from '../core/login-settings.ts'
import { Secret } from '../core/secret.ts'
import type { Checks } from './login-method.ts'
import { authorities } from './reach.ts'
import { checkOneOf, checkSource, keyText, method, sourceOf, keyTrouble } from './login-method.ts'
import type { Env, Table, Values } from './setting.ts'
import { credential, line, mount, oneOf, path, safeUrl, secretLine, textsInJson, words } from './values.ts'

const OF_PROTOCOL = /^(?:grant_type|scope|resource|audience|client_id|client_secret|client_assertion(?:_type)?)$/
const PARAMETERS = 'must be a JSON object of texts, without the parameters of the protocol'

/** `jwt` and `oauth2` share these: Kong's settings have the one word for the login, its how-to the other. */
const SHARED = {
  jwt_auth_path: { schema: mount, default: 'jwt' },
  jwt_role: { schema: line, also: ['oauth2_role_name'] },
} as const satisfies Table

const JWT = {
  ...SHARED,
  jwt: { schema: credential, secret: true },
  jwt_file: { schema: path },
  jwt_source: { schema: () => oneOf(['azure', 'github', 'google']) },
  jwt_audience: { schema: line },
} as const satisfies Table

const OAUTH2 = {
  ...SHARED,
  oauth2_token_endpoint: { schema: safeUrl },
  oauth2_issuer: { schema: safeUrl },
  oauth2_cacert: { schema: authorities },
  oauth2_client_id: { schema: line, required: 'the id of the client' },
  oauth2_client_auth: {
    schema: () => oneOf(['client_secret_basic', 'client_secret_post', 'private_key_jwt']),
  },
  oauth2_client_secret: { schema: secretLine, secret: true },
  oauth2_private_key: { schema: () => keyText(keyTrouble), secret: true },
  oauth2_scopes: { schema: words },
  oauth2_audiences: { schema: words },
  oauth2_resource: { schema: words },
  oauth2_parameters: {
    schema: () => textsInJson(PARAMETERS, (name) => !OF_PROTOCOL.test(name) || PARAMETERS),
    default: '{}',
  },
} as const satisfies Table

const JWT_SOURCES = ['jwt', 'jwt_file', 'jwt_source'] as const

/** `jwt` with a client of an identity provider, and without a JWT, is `oauth2`. */
export const isOfClient = (isGiven: Checks['isGiven']): boolean =>
  (isGiven('oauth2_client_id') || isGiven('oauth2_token_endpoint')) && !JWT_SOURCES.some(isGiven)

export const jwt = method({
  options: JWT,
  check(checks, all) {
    const { isGiven, nameOf, complain } = checks
    const given = JWT_SOURCES.find(isGiven)
    if (!isGiven('jwt_source'))
      checkSource({ value: 'jwt', file: 'jwt_file', what: 'a JWT, or the options oauth2_* to get one' }, checks)
    if (given !== undefined && isGiven('oauth2_client_id'))
      complain(given, `is set beside ${nameOf('oauth2_client_id')}: set one of the two`)
    if (isGiven('jwt_source')) checkPlatform(checks, all)
    else if (isGiven('jwt_audience'))
      complain('jwt_audience', `is for a JWT of the platform: set ${nameOf('jwt_source')}`)
  },
  build: (all, { env }) => ({
    method: 'jwt',
    mount: all.jwt_auth_path,
    role: all.jwt_role ?? '',
    jwt: platformJwt(all, env) ?? sourceOf(all.jwt, all.jwt_file),
  }),
})

function checkPlatform({ env, runtime, isGiven, nameOf, complain }: Checks, all: Values<typeof JWT>): void {
  const { jwt_source: source, jwt_audience: audience = '' } = all
  for (const other of (['jwt', 'jwt_file'] as const).filter(isGiven))
    complain('jwt_source', `is set beside ${nameOf(other)}: set one of the two`)
  if (!isGiven('jwt_audience'))
    complain('jwt_audience', `is required beside ${nameOf('jwt_source')}: for whom the JWT is`)
  if (runtime === 'workers')
    complain(
      'jwt_source',
      `cannot be used on Workers, which have no identity: set ${nameOf('jwt')}, or an OAuth2 client`,
    )
  else if (runtime !== 'node')
    complain('jwt_source', `cannot be used on Lambda: its identity is one of AWS, for ${nameOf('auth_method')} aws_iam`)
  else if (source !== undefined) {
    const identity = identityOf(source, audience, env)
    if (typeof identity === 'string') complain('jwt_source', identity)
  }
}

/** `null` = none is set, or there is none, of which `checkPlatform` complains. */
function platformJwt(all: Values<typeof JWT>, env: Env): IdentityEndpoint | null {
  const { jwt_source: source, jwt_audience: audience } = all
  const identity = source === undefined || audience === undefined ? null : identityOf(source, audience, env)
  return typeof identity === 'string' ? null : identity
}

export const oauth2 = method({
  options: OAUTH2,
  check(checks, all) {
    const { hasFiles, isGiven, nameOf, complain } = checks
    const [secret, key] = ['oauth2_client_secret', 'oauth2_private_key']
    if (!isGiven('oauth2_token_endpoint') && !isGiven('oauth2_issuer'))
      complain('oauth2_token_endpoint', `is required, or ${nameOf('oauth2_issuer')}: where tokens are issued`)
    checkOneOf(secret, key, 'the secret of the client', checks)
    const { oauth2_client_auth: auth, oauth2_private_key: given } = all
    if (auth !== undefined && (auth === 'private_key_jwt') !== isGiven(key))
      complain('oauth2_client_auth', `does not fit: private_key_jwt takes ${nameOf(key)}, the others ${nameOf(secret)}`)
    if (!hasFiles && isGiven('oauth2_cacert'))
      complain('oauth2_cacert', 'cannot be used on Workers, which trust public authorities only')
    if (!hasFiles && given !== undefined && 'file' in given)
      complain(key, 'must be the text itself on Workers, which have no files')
  },
  build: (all) => ({
    method: 'oauth2',
    mount: all.jwt_auth_path,
    role: all.jwt_role ?? '',
    issuer: all.oauth2_issuer ?? null,
    tokenEndpoint: all.oauth2_token_endpoint ?? null,
    authorities: all.oauth2_cacert ?? null,
    clientId: all.oauth2_client_id,
    client: clientOf(all),
    scopes: all.oauth2_scopes ?? [],
    audiences: all.oauth2_audiences ?? [],
    resources: all.oauth2_resource ?? [],
    parameters: all.oauth2_parameters,
  }),
})

function clientOf(all: Values<typeof OAUTH2>): OAuth2Client {
  const { oauth2_client_auth: auth, oauth2_client_secret: secret, oauth2_private_key: key } = all
  if (key !== undefined) return { auth: 'private_key_jwt', key }
  return {
    auth: auth === 'client_secret_post' ? auth : 'client_secret_basic',
    secret: secret ?? new Secret(''),
  }
}
