/** The login `aws_iam`, and where the keys of AWS come from when none are set. */
import { fromMachine } from '#platform/config/aws-machine'
import type { AwsCredentialSource } from '../core/login-settings.ts'
import { Secret } from '../core/secret.ts'
import { method } from './login-method.ts'
import type { Env, Table, Values } from './setting.ts'
import { credential, line, loginPathMount, matching, safeUrl, trimmed } from './values.ts'

const AWS = {
  aws_login_path: { schema: loginPathMount, default: '/v1/auth/aws/login' },
  aws_auth_role: { schema: line },
  aws_auth_region: {
    schema: () => matching(/^[a-z]{2}(?:-[a-z]+)+-\d{1,2}$/, 'must be a region such as eu-west-1'),
    required: 'the region of STS, such as eu-west-1',
    fallbacks: ['AWS_REGION', 'AWS_DEFAULT_REGION'],
  },
  aws_access_key_id: { schema: () => trimmed(/^\w{16,128}$/, 'must be an access key id of AWS'), secret: true },
  aws_secret_access_key: { schema: credential, secret: true },
  aws_sts_endpoint_url: { schema: safeUrl },
  aws_assume_role_arn: {
    schema: () => trimmed(/^arn:[\w-]+:iam::\d{12}:role\/[\w+=,.@/-]+$/, 'must be the ARN of a role'),
  },
  aws_role_session_name: {
    schema: () => matching(/^[\w+=,.@-]{2,64}$/, 'must be 2 to 64 letters, digits or _+=,.@-'),
    default: 'edge-keyring',
  },
  aws_iam_server_id: { schema: credential },
} as const satisfies Table

export const awsIam = method({
  options: AWS,
  check({ env, hasFiles, isGiven, nameOf, complain }) {
    const [id, secret] = ['aws_access_key_id', 'aws_secret_access_key']
    if (isGiven(id) !== isGiven(secret)) {
      const [missing, there] = isGiven(id) ? [secret, id] : [id, secret]
      complain(missing, `is required beside ${nameOf(there)}`)
    } else if (!isGiven(id) && platformKeys(env, hasFiles) === null)
      complain(id, `is required, with ${nameOf(secret)}: this platform has no identity of its own at AWS`)
  },
  build: (all, { env, hasFiles }) => ({
    method: 'aws_iam',
    mount: all.aws_login_path,
    role: all.aws_auth_role ?? '',
    region: all.aws_auth_region,
    stsEndpoint: URL.parse(all.aws_sts_endpoint_url ?? '')?.href ?? regionalSts(all.aws_auth_region),
    serverId: all.aws_iam_server_id?.reveal() ?? '',
    credentials: keysOf(all) ?? platformKeys(env, hasFiles) ?? { from: 'imds', endpoint: '' },
    assume:
      all.aws_assume_role_arn === undefined
        ? null
        : { arn: all.aws_assume_role_arn, session: all.aws_role_session_name },
  }),
})

function keysOf({ aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey }: Values<typeof AWS>) {
  if (accessKeyId === undefined || secretAccessKey === undefined) return null
  return { from: 'keys', accessKeyId, secretAccessKey, sessionToken: null } as const
}

export const regionalSts = (region: string): string =>
  `https://sts.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}/`

/**
 * Looks in the order of AWS's own clients for what the platform has put into the environment. `null` = it gives no identity, or not in a safe way.
 * @param hasMachine false on Workers, where no service of AWS is near.
 */
export const platformKeys = (env: Env, hasMachine: boolean): AwsCredentialSource | null =>
  fromEnvironment(env) ?? (hasMachine ? fromMachine(env) : null)

function fromEnvironment(env: Env): AwsCredentialSource | null {
  const [id, secret, session] = [env['AWS_ACCESS_KEY_ID'], env['AWS_SECRET_ACCESS_KEY'], env['AWS_SESSION_TOKEN']]
  if (!id || !secret) return null
  return {
    from: 'keys',
    accessKeyId: id,
    secretAccessKey: new Secret(secret),
    sessionToken: session ? new Secret(session) : null,
  }
}
