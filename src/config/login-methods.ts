/**
 * The login methods, once: a method has its options, what they need, and what its file in `vault/login` is given. Options have Kong's
 * names; how operators write them follows (`KEYRING_VAULT_<NAME>`). Their texts: tools/settings-texts.ts.
 */
import * as z from 'zod/mini'
import type { LoginSettings } from '../core/login-settings.ts'
import { awsIam } from './login-aws.ts'
import { jwt, oauth2 } from './login-jwt.ts'
import type { Method } from './login-method.ts'
import { checkSource, keyText, method, sourceOf } from './login-method.ts'
import type { Setting, Table } from './setting.ts'
import { credential, line, mount, namespace, onOff, path, secretLine } from './values.ts'

const token = method({
  options: {
    token: {
      schema: credential,
      required: 'a Vault token that may read the secret',
      kong: true,
      fallbacks: ['BAO_TOKEN', 'VAULT_TOKEN'],
      secret: true,
    },
  },
  build: (all) => ({ method: 'token', token: all.token }),
})

const SERVICE_ACCOUNT = '/run/secrets/kubernetes.io/serviceaccount/token'

const kubernetes = method({
  options: {
    kube_auth_path: { schema: mount, default: 'kubernetes' },
    kube_role: { schema: line, default: 'default', kong: true },
    kube_api_token: { schema: credential, secret: true },
    kube_api_token_file: { schema: path, kong: true },
  },
  check: (checks) =>
    checkSource(
      {
        value: 'kube_api_token',
        file: 'kube_api_token_file',
        what: 'the JWT of the service account',
        usual: SERVICE_ACCOUNT,
      },
      checks,
    ),
  build: (all) => ({
    method: 'kubernetes',
    mount: all.kube_auth_path,
    role: all.kube_role,
    jwt: sourceOf(all.kube_api_token, all.kube_api_token_file ?? SERVICE_ACCOUNT),
  }),
})

const approle = method({
  options: {
    approle_auth_path: { schema: mount, default: 'approle' },
    approle_role_id: { schema: credential, required: 'the role id', secret: true },
    approle_secret_id: { schema: credential, secret: true },
    approle_secret_id_file: { schema: path },
    approle_response_wrapping: { schema: onOff, default: 'off' },
    approle_role_name: { schema: line },
  },
  /** A role may need no secret id; a wrapping token has one inside. */
  check: (checks, { approle_response_wrapping: isWrapped }) => {
    const [value, file] = ['approle_secret_id', 'approle_secret_id_file']
    const isGiven = checks.isGiven(value) || checks.isGiven(file)
    if (isWrapped || isGiven) checkSource({ value, file, what: 'the wrapping token' }, checks)
  },
  build: (all) => ({
    method: 'approle',
    mount: all.approle_auth_path,
    roleId: all.approle_role_id,
    secretId:
      all.approle_secret_id ?? (all.approle_secret_id_file === undefined ? null : { file: all.approle_secret_id_file }),
    wrapping: all.approle_response_wrapping,
    roleName: all.approle_role_name ?? '',
  }),
})

/** A certificate for the connection is good for the login too. */
const cert = method({
  options: {
    cert_auth_path: { schema: mount, default: 'cert' },
    cert_auth_role_name: { schema: line },
    cert_auth_cert: {
      schema: () => keyText(),
      fallbacks: ['KEYRING_VAULT_CLIENT_CERT', 'BAO_CLIENT_CERT', 'VAULT_CLIENT_CERT'],
      secret: true,
    },
    cert_auth_cert_key: {
      schema: () => keyText(),
      fallbacks: ['KEYRING_VAULT_CLIENT_KEY', 'BAO_CLIENT_KEY', 'VAULT_CLIENT_KEY'],
      secret: true,
    },
  },
  check({ hasFiles, complain, isGiven }) {
    for (const option of ['cert_auth_cert', 'cert_auth_cert_key']) {
      if (!hasFiles && isGiven(option))
        complain(option, 'cannot be used on Workers: upload the certificate and bind it as an mTLS certificate')
      if (hasFiles && !isGiven(option)) complain(option, 'is required: the text in PEM, or the path of its file')
    }
  },
  build: ({ cert_auth_path: at, cert_auth_role_name: role = '', cert_auth_cert: text, cert_auth_cert_key: key }) => ({
    method: 'cert',
    mount: at,
    role,
    certificate: text === undefined || key === undefined ? null : { cert: text, key },
  }),
})

const userpass = method({
  options: {
    userpass_auth_path: { schema: mount, default: 'userpass' },
    userpass_username: { schema: line, required: 'the name of the user' },
    userpass_password: { schema: secretLine, required: 'the password', secret: true },
  },
  build: (all) => ({
    method: 'userpass',
    mount: all.userpass_auth_path,
    username: all.userpass_username,
    password: all.userpass_password,
  }),
})

type MethodName = LoginSettings['method']

export const METHODS = {
  token,
  kubernetes,
  approle,
  cert,
  jwt,
  oauth2,
  aws_iam: awsIam,
  userpass,
} as const satisfies Readonly<Record<MethodName, Method>>

export const METHOD_NAMES = Object.keys(METHODS) as MethodName[]

const LATER: ReadonlySet<unknown> = new Set(['aws_ec2', 'gcp_iam', 'gcp_gce', 'azure'])
const ONE_OF = `must be one of ${METHOD_NAMES.join(', ')}`
const authMethod = () =>
  z.pipe(
    z.string().check(
      z.refine((name) => METHOD_NAMES.some((each) => each === name), {
        error: ({ input }) => (LATER.has(input) ? `${ONE_OF}: this login comes with a later release` : ONE_OF),
      }),
    ),
    z.transform((name) => name as MethodName),
  )

/** The options of the login itself, whatever its method. */
const COMMON = {
  auth_method: { schema: authMethod, default: 'token', kong: true },
  login_namespace: { schema: namespace },
} as const satisfies Table

export type LoginOption =
  | keyof typeof COMMON
  | { [Name in MethodName]: keyof (typeof METHODS)[Name]['options'] }[MethodName]

export type LoginTable = Readonly<Record<LoginOption, Setting>> & typeof COMMON

/** Every option, in order. */
export const LOGIN_OPTIONS = Object.assign(
  {},
  COMMON,
  ...Object.values(METHODS).map(({ options }) => options),
) as LoginTable

/** [] = the option is of the login itself. */
export const methodsWith = (option: string): readonly MethodName[] =>
  METHOD_NAMES.filter((name) => Object.hasOwn(METHODS[name].options, option))
