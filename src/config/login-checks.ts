/** What must fit together within one login, beyond what it requires. */
import { platformKeys } from './aws-source.ts'
import { SOURCES } from './identity-source.ts'
import type { LOGIN_OPTIONS, LoginOption } from './login-options.ts'
import type { Env } from './names.ts'
import type { Values } from './options.ts'
import type { Runtime } from './settings.ts'

export type LoginValues = Values<typeof LOGIN_OPTIONS>

export interface Checks {
  readonly env: Env
  readonly runtime: Runtime
  /** False on Workers. */
  readonly hasFiles: boolean
  readonly nameOf: (option: LoginOption) => string
  readonly isGiven: (option: LoginOption) => boolean
  readonly complain: (option: LoginOption, message: string) => void
}

/** With a client as well it would be a guess which of the two is meant. */
export function checkJwt(checks: Checks, all: LoginValues): void {
  const { isGiven, nameOf, complain } = checks
  const given = JWT_SOURCES.find(isGiven)
  if (given !== undefined && isGiven('oauth2_client_id'))
    complain(given, `is set beside ${nameOf('oauth2_client_id')}: set one of the two`)
  if (isGiven('jwt_source')) checkJwtSource(checks, all)
  else if (isGiven('jwt_audience'))
    complain('jwt_audience', `is for a JWT of the platform: set ${nameOf('jwt_source')}`)
}

export const JWT_SOURCES = ['jwt', 'jwt_file', 'jwt_source'] as const

function checkJwtSource({ env, runtime, isGiven, nameOf, complain }: Checks, all: LoginValues): void {
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
  else if (source !== undefined && SOURCES[source](audience, env) === null)
    complain('jwt_source', `names ${source}, which gives no identity here${HINTS[source] ?? ''}`)
}

const HINTS: Readonly<Record<string, string>> = { github: ': the job needs the permission id-token: write' }

export function checkCertificate({ hasFiles, complain, isGiven }: Checks): void {
  for (const option of ['cert_auth_cert', 'cert_auth_cert_key'] as const) {
    if (!hasFiles && isGiven(option))
      complain(option, 'cannot be used on Workers: upload the certificate and bind it as an mTLS certificate')
    if (hasFiles && !isGiven(option)) complain(option, 'is required: the text in PEM, or the path of its file')
  }
}

export function checkOAuth2(checks: Checks, all: LoginValues): void {
  const { hasFiles, isGiven, nameOf, complain } = checks
  const [secret, key] = ['oauth2_client_secret', 'oauth2_private_key'] as const
  if (!isGiven('oauth2_token_endpoint') && !isGiven('oauth2_issuer'))
    complain('oauth2_token_endpoint', `is required, or ${nameOf('oauth2_issuer')}: where tokens are issued`)
  checkOneOf(secret, key, 'the secret of the client', checks)
  const { oauth2_client_auth: auth, oauth2_private_key: given } = all
  if (auth !== undefined && (auth === 'private_key_jwt') !== isGiven(key))
    complain('oauth2_client_auth', `does not fit: private_key_jwt takes ${nameOf(key)}, the others ${nameOf(secret)}`)
  if (!hasFiles && given !== undefined && 'file' in given)
    complain(key, 'must be the text itself on Workers, which have no files')
}

export function checkOneOf(
  option: LoginOption,
  other: LoginOption,
  what: string,
  { isGiven, nameOf, complain }: Checks,
): void {
  if (isGiven(option) && isGiven(other)) complain(option, `is set beside ${nameOf(other)}: set one of the two`)
  if (!isGiven(option) && !isGiven(other)) complain(option, `is required, or ${nameOf(other)}: ${what}`)
}

export function checkAws({ env, hasFiles, isGiven, nameOf, complain }: Checks): void {
  const [id, secret] = ['aws_access_key_id', 'aws_secret_access_key'] as const
  if (isGiven(id) !== isGiven(secret)) {
    const [missing, there] = isGiven(id) ? [secret, id] : [id, secret]
    complain(missing, `is required beside ${nameOf(there)}`)
  } else if (!isGiven(id) && platformKeys(env, hasFiles) === null)
    complain(id, `is required, with ${nameOf(secret)}: this platform has no identity of its own at AWS`)
}
