/** Where the machine gives keys of AWS to what runs on it: a cluster, a container, an instance. Workers do without: `aws-machine.workers.ts`. */
import type { AwsCredentialSource, CredentialSource } from '../core/login-settings.ts'
import { isLoopback, safeAddress } from '../core/loopback.ts'
import { Secret } from '../core/secret.ts'
import type { Env } from './setting.ts'

export const fromMachine = (env: Env): AwsCredentialSource | null =>
  fromWebIdentity(env) ?? fromContainer(env) ?? fromInstance(env)

const ECS = 'http://169.254.170.2'
const IMDS = 'http://169.254.169.254'
/** ECS and EKS give credentials at these hosts: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html */
const isNear = (host: string): boolean =>
  isLoopback(host) || ['169.254.170.2', '169.254.170.23', '[fd00:ec2::23]'].includes(host)

/** A service account of EKS has a role, and a token in a file: https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html */
function fromWebIdentity(env: Env): AwsCredentialSource | null {
  const [file, arn] = [env['AWS_WEB_IDENTITY_TOKEN_FILE'], env['AWS_ROLE_ARN']]
  if (!file || !arn) return null
  return { from: 'web-identity', arn, session: env['AWS_ROLE_SESSION_NAME'] || 'edge-keyring', token: { file } }
}

function fromContainer(env: Env): AwsCredentialSource | null {
  const relative = env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']
  const url = relative ? ECS + relative : (env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? '')
  return safeAddress(url, isNear) ? { from: 'container', url, authorization: authorizationOf(env) } : null
}

function authorizationOf(env: Env): CredentialSource | null {
  const [file, token] = [env['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'], env['AWS_CONTAINER_AUTHORIZATION_TOKEN']]
  if (file) return { file }
  return token ? new Secret(token) : null
}

function fromInstance(env: Env): AwsCredentialSource | null {
  const endpoint = (env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] || IMDS).replace(/\/$/, '')
  const isOff = env['AWS_EC2_METADATA_DISABLED']?.toLowerCase() === 'true'
  return isOff || !/^https?:/i.test(endpoint) || URL.parse(endpoint) === null ? null : { from: 'imds', endpoint }
}
