/** Where the keys of AWS come from when none are set: the order of AWS's own clients, by what the platform has put into the environment. */
import type { AwsCredentialSource, CredentialSource } from '../core/login-settings.ts'
import { Secret } from '../core/secret.ts'
import { isLoopback } from '../core/loopback.ts'
import type { Env } from './names.ts'

const ECS = 'http://169.254.170.2'
const IMDS = 'http://169.254.169.254'
/** Of ECS, of EKS: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html */
const LINK_LOCAL = new Set(['169.254.170.2', '169.254.170.23', '[fd00:ec2::23]'])

/** `null` = the platform gives no identity, or not in a safe way. @param hasMachine false where neither files nor instance metadata can be. */
export function platformKeys(env: Env, hasMachine: boolean): AwsCredentialSource | null {
  return (
    fromEnvironment(env) ??
    (hasMachine ? fromWebIdentity(env) : null) ??
    fromContainer(env) ??
    (hasMachine ? fromInstance(env) : null)
  )
}

/** Of a service account of EKS: https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html */
function fromWebIdentity(env: Env): AwsCredentialSource | null {
  const [file, arn] = [env['AWS_WEB_IDENTITY_TOKEN_FILE'], env['AWS_ROLE_ARN']]
  if (!file || !arn) return null
  return { from: 'web-identity', arn, session: env['AWS_ROLE_SESSION_NAME'] || 'edge-keyring', token: { file } }
}

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

function fromContainer(env: Env): AwsCredentialSource | null {
  const relative = env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']
  const url = relative ? ECS + relative : (env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? '')
  return isSafe(url) ? { from: 'container', url, authorization: authorizationOf(env) } : null
}

function authorizationOf(env: Env): CredentialSource | null {
  const [file, token] = [env['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'], env['AWS_CONTAINER_AUTHORIZATION_TOKEN']]
  if (file) return { file }
  return token ? new Secret(token) : null
}

function isSafe(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' || (protocol === 'http:' && (isLoopback(hostname) || LINK_LOCAL.has(hostname)))
}

const fromInstance = (env: Env): AwsCredentialSource | null =>
  env['AWS_EC2_METADATA_DISABLED']?.toLowerCase() === 'true'
    ? null
    : { from: 'imds', endpoint: (env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] || IMDS).replace(/\/$/, '') }
