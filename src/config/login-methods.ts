/** What each login needs, and the settings that its file is given. */
import type { CredentialSource, LoginSettings, OAuth2Client } from '../core/login-settings.ts'
import { Secret } from '../core/secret.ts'
import { platformKeys } from './aws-source.ts'
import { SOURCES } from './identity-source.ts'
import type { Checks, LoginValues } from './login-checks.ts'
import { checkAws, checkCertificate, checkJwt, checkOAuth2 } from './login-checks.ts'
import type { LoginOption } from './login-options.ts'
import type { Env } from './names.ts'

interface Method {
  readonly required: Readonly<Partial<Record<LoginOption, string>>>
  /** Of a value and a file exactly one. */
  readonly sources: readonly Source[]
  readonly check: (checks: Checks, values: LoginValues) => void
  readonly build: (values: LoginValues, checks: Checks) => LoginSettings
}

interface Source {
  readonly value: LoginOption
  readonly file: LoginOption
  readonly what: string
  /** Where platforms put it. */
  readonly usual?: string
  /** With it neither of them is required. */
  readonly instead?: LoginOption
}

type Present<Name extends LoginOption> = LoginValues & { readonly [Key in Name]: NonNullable<LoginValues[Key]> }

/** What is required is there when `build` is called. */
function method<const Name extends LoginOption = never>(
  required: Readonly<Record<Name, string>>,
  build: (values: Present<Name>, checks: Checks) => LoginSettings,
  more: Partial<Pick<Method, 'sources' | 'check'>> = {},
): Method {
  return { required, build: build as Method['build'], sources: [], check: () => {}, ...more }
}

const sourceOf = (value: Secret | undefined, file: string | undefined): CredentialSource =>
  value ?? { file: file ?? '' }

const SERVICE_ACCOUNT = '/run/secrets/kubernetes.io/serviceaccount/token'

export const METHODS: Readonly<Record<LoginSettings['method'], Method>> = {
  token: method({ token: 'a Vault token that may read the secret' }, ({ token }) => ({ method: 'token', token })),

  kubernetes: method(
    {},
    (all) => ({
      method: 'kubernetes',
      mount: all.kube_auth_path,
      role: all.kube_role,
      jwt: sourceOf(all.kube_api_token, all.kube_api_token_file ?? SERVICE_ACCOUNT),
    }),
    {
      sources: [
        {
          value: 'kube_api_token',
          file: 'kube_api_token_file',
          what: 'the JWT of the service account',
          usual: SERVICE_ACCOUNT,
        },
      ],
    },
  ),

  approle: method(
    { approle_role_id: 'the role id' },
    (all) => ({
      method: 'approle',
      mount: all.approle_auth_path,
      roleId: all.approle_role_id,
      secretId: sourceOf(all.approle_secret_id, all.approle_secret_id_file),
      wrapping: all.approle_response_wrapping,
      roleName: all.approle_role_name ?? '',
    }),
    { sources: [{ value: 'approle_secret_id', file: 'approle_secret_id_file', what: 'the secret id' }] },
  ),

  cert: method(
    {},
    ({ cert_auth_path: mount, cert_auth_role_name: role = '', cert_auth_cert: cert, cert_auth_cert_key: key }) => ({
      method: 'cert',
      mount,
      role,
      certificate: cert === undefined || key === undefined ? null : { cert, key },
    }),
    { check: checkCertificate },
  ),

  jwt: method(
    {},
    (all, { env }) => ({
      method: 'jwt',
      mount: all.jwt_auth_path,
      role: all.jwt_role ?? '',
      jwt: platformJwt(all, env) ?? sourceOf(all.jwt, all.jwt_file),
    }),
    {
      sources: [
        {
          value: 'jwt',
          file: 'jwt_file',
          what: 'a JWT, or the options oauth2_* to get one',
          instead: 'jwt_source',
        },
      ],
      check: checkJwt,
    },
  ),

  oauth2: method(
    { oauth2_client_id: 'the id of the client' },
    (all) => ({
      method: 'oauth2',
      mount: all.jwt_auth_path,
      role: all.jwt_role ?? '',
      issuer: all.oauth2_issuer ?? null,
      tokenEndpoint: all.oauth2_token_endpoint ?? null,
      clientId: all.oauth2_client_id,
      client: oauth2Client(all),
      scopes: all.oauth2_scopes ?? [],
      audiences: all.oauth2_audiences ?? [],
      resources: all.oauth2_resource ?? [],
      parameters: all.oauth2_parameters,
    }),
    { check: checkOAuth2 },
  ),

  aws_iam: method(
    { aws_auth_region: 'the region of STS, such as eu-west-1' },
    (all, { env, hasFiles }) => ({
      method: 'aws_iam',
      mount: all.aws_login_path,
      role: all.aws_auth_role ?? '',
      region: all.aws_auth_region,
      stsEndpoint: new URL(all.aws_sts_endpoint_url ?? regionalSts(all.aws_auth_region)).href,
      serverId: all.aws_iam_server_id?.reveal() ?? '',
      credentials: awsKeys(all, env, hasFiles) ?? { from: 'imds', endpoint: '' },
      assume:
        all.aws_assume_role_arn === undefined
          ? null
          : { arn: all.aws_assume_role_arn, session: all.aws_role_session_name },
    }),
    { check: checkAws },
  ),

  userpass: method(
    { userpass_username: 'the name of the user', userpass_password: 'the password' },
    ({ userpass_auth_path: mount, userpass_username: username, userpass_password: password }) => ({
      method: 'userpass',
      mount,
      username,
      password,
    }),
  ),
}

function oauth2Client(all: LoginValues): OAuth2Client {
  const {
    oauth2_client_auth: auth = 'client_secret_basic',
    oauth2_client_secret: secret,
    oauth2_private_key: key,
  } = all
  if (key !== undefined) return { auth: 'private_key_jwt', key }
  return {
    auth: auth === 'client_secret_post' ? auth : 'client_secret_basic',
    secret: secret ?? new Secret(''),
  }
}

const platformJwt = ({ jwt_source: source, jwt_audience: audience }: LoginValues, env: Env) =>
  source === undefined || audience === undefined ? null : SOURCES[source](audience, env)

function awsKeys(all: LoginValues, env: Env, hasFiles: boolean) {
  const { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey } = all
  if (accessKeyId === undefined || secretAccessKey === undefined) return platformKeys(env, hasFiles)
  return { from: 'keys', accessKeyId, secretAccessKey, sessionToken: null } as const
}

const regionalSts = (region: string): string =>
  `https://sts.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}/`
