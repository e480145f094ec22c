/**
 * Every option of the logins, once, under Kong's name of it. Three spellings follow from this table: `KEYRING_VAULT_<NAME>`,
 * `KONG_VAULT_HCV_<NAME>`, and `<name>` in the `config` of a Vault entity. Their texts: tools/settings-texts.ts.
 */
import type * as z from 'zod/mini'
import type { LoginSettings } from '../core/login-settings.ts'
import {
  accessKeyId,
  authMethod,
  clientAuth,
  credential,
  keyText,
  line,
  loginPathMount,
  mount,
  parameters,
  path,
  platform,
  region,
  roleArn,
  safeUrl,
  secretLine,
  sessionName,
  words,
} from './login-values.ts'
import { namespace, onOff } from './values.ts'

export interface Option {
  readonly schema: z.ZodMiniType<unknown, string>
  readonly default?: string
  /** Other names of the same. */
  readonly also?: readonly string[]
  /** Kong's keyring has it: `KONG_KEYRING_VAULT_<NAME>` is read too. */
  readonly kong?: true
  /** Of the keyring's own Vault, read when it is not set. */
  readonly fallbacks?: readonly string[]
  /** The logins that use it. Absent = all. */
  readonly by?: readonly LoginSettings['method'][]
  readonly secret?: true
}

const KUBERNETES = { by: ['kubernetes'] } as const
const APPROLE = { by: ['approle'] } as const
const CERT = { by: ['cert'] } as const
const JWT = { by: ['jwt'] } as const
const EITHER_JWT = { by: ['jwt', 'oauth2'] } as const
const OAUTH2 = { by: ['oauth2'] } as const
const AWS = { by: ['aws_iam'] } as const
const USERPASS = { by: ['userpass'] } as const

export const LOGIN_OPTIONS = {
  auth_method: { schema: authMethod, default: 'token', kong: true },
  login_namespace: { schema: namespace },
  token: { schema: credential, kong: true, fallbacks: ['BAO_TOKEN', 'VAULT_TOKEN'], by: ['token'], secret: true },

  kube_auth_path: { schema: mount, default: 'kubernetes', ...KUBERNETES },
  kube_role: { schema: line, default: 'default', kong: true, ...KUBERNETES },
  kube_api_token: { schema: credential, ...KUBERNETES, secret: true },
  kube_api_token_file: { schema: path, kong: true, ...KUBERNETES },

  approle_auth_path: { schema: mount, default: 'approle', ...APPROLE },
  approle_role_id: { schema: credential, ...APPROLE, secret: true },
  approle_secret_id: { schema: credential, ...APPROLE, secret: true },
  approle_secret_id_file: { schema: path, ...APPROLE },
  approle_response_wrapping: { schema: onOff, default: 'off', ...APPROLE },
  approle_role_name: { schema: line, ...APPROLE },

  cert_auth_path: { schema: mount, default: 'cert', ...CERT },
  cert_auth_role_name: { schema: line, ...CERT },
  cert_auth_cert: { schema: keyText, ...CERT },
  cert_auth_cert_key: { schema: keyText, ...CERT, secret: true },

  jwt_auth_path: { schema: mount, default: 'jwt', ...EITHER_JWT },
  jwt_role: { schema: line, also: ['oauth2_role_name'], ...EITHER_JWT },
  jwt: { schema: credential, ...JWT, secret: true },
  jwt_file: { schema: path, ...JWT },
  jwt_source: { schema: platform, ...JWT },
  jwt_audience: { schema: line, ...JWT },

  oauth2_token_endpoint: { schema: safeUrl, ...OAUTH2 },
  oauth2_issuer: { schema: safeUrl, ...OAUTH2 },
  oauth2_client_id: { schema: line, ...OAUTH2 },
  oauth2_client_auth: { schema: clientAuth, ...OAUTH2 },
  oauth2_client_secret: { schema: secretLine, ...OAUTH2, secret: true },
  oauth2_private_key: { schema: keyText, ...OAUTH2, secret: true },
  oauth2_scopes: { schema: words, ...OAUTH2 },
  oauth2_audiences: { schema: words, ...OAUTH2 },
  oauth2_resource: { schema: words, ...OAUTH2 },
  oauth2_parameters: { schema: parameters, default: '{}', ...OAUTH2 },

  aws_login_path: { schema: loginPathMount, default: '/v1/auth/aws/login', ...AWS },
  aws_auth_role: { schema: line, ...AWS },
  aws_auth_region: { schema: region, fallbacks: ['AWS_REGION', 'AWS_DEFAULT_REGION'], ...AWS },
  aws_access_key_id: { schema: accessKeyId, ...AWS },
  aws_secret_access_key: { schema: credential, ...AWS, secret: true },
  aws_sts_endpoint_url: { schema: safeUrl, ...AWS },
  aws_assume_role_arn: { schema: roleArn, ...AWS },
  aws_role_session_name: { schema: sessionName, default: 'edge-keyring', ...AWS },
  aws_iam_server_id: { schema: credential, ...AWS },

  userpass_auth_path: { schema: mount, default: 'userpass', ...USERPASS },
  userpass_username: { schema: line, ...USERPASS },
  userpass_password: { schema: secretLine, ...USERPASS, secret: true },
} as const satisfies Record<string, Option>

export type LoginOption = keyof typeof LOGIN_OPTIONS
