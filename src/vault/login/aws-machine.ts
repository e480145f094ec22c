/** The keys of AWS that the machine gives: fetched anew for each login. Workers have none: `aws-machine.workers.ts`. */
import * as z from 'zod/mini'
import { parseJson } from '../../core/body.ts'
import type { Facts } from '../../core/errors.ts'
import { KeyringError } from '../../core/errors.ts'
import type { AwsCredentialSource, AwsIamSettings } from '../../core/login-settings.ts'
import { assumeRoleWithWebIdentity } from './aws-assume-role.ts'
import type { AwsKeys } from './aws-signature.ts'
import { readCredential } from './credential.ts'
import type { LoginParts } from './method.ts'
import type { OutsideRequest } from './outside.ts'
import { askOutside } from './outside.ts'

/** So many milliseconds are enough: these services are next door, and where there are none packets get lost. */
const TIMEOUT_MS = 1000
/** How long a session with the metadata service lasts, in seconds. */
const IMDS_TOKEN_LIFE = '60'

const keysReply = z.object({ AccessKeyId: z.string(), SecretAccessKey: z.string(), Token: z.string() })

/** Of a cluster, a container or an instance. */
type Machine = Exclude<AwsCredentialSource, { from: 'keys' }>

export async function keysOfMachine(
  source: Machine,
  settings: AwsIamSettings,
  parts: LoginParts,
  signal: AbortSignal,
): Promise<AwsKeys> {
  if (source.from === 'web-identity') return assumeRoleWithWebIdentity(source, settings, parts, signal)
  if (source.from === 'container') return fromContainer(source, parts, signal)
  return fromInstance(source.endpoint, parts, signal)
}

/** The service of ECS and EKS: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html */
async function fromContainer(
  { url, authorization }: AwsCredentialSource & { from: 'container' },
  parts: LoginParts,
  signal: AbortSignal,
): Promise<AwsKeys> {
  const token =
    authorization === null ? null : await readCredential(authorization, 'AWS_CONTAINER_AUTHORIZATION_TOKEN', parts)
  return keysIn(await fetched({ url, ...(token !== null && { headers: { authorization: token } }) }, parts, signal))
}

/** The metadata of the instance, version 2: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html */
async function fromInstance(endpoint: string, parts: LoginParts, signal: AbortSignal): Promise<AwsKeys> {
  const get = (path: string, headers: Record<string, string>, method: 'GET' | 'PUT' = 'GET') =>
    fetched({ url: `${endpoint}/latest/${path}`, method, headers }, parts, signal)
  const token = await get('api/token', { 'x-aws-ec2-metadata-token-ttl-seconds': IMDS_TOKEN_LIFE }, 'PUT')
  if (!/^[\x21-\x7e]+$/.test(token)) throw unavailable('sent no session token')
  const headers = { 'x-aws-ec2-metadata-token': token }
  const role = (await get('meta-data/iam/security-credentials/', headers)).split('\n')[0]?.trim() ?? ''
  if (!/^[\w+=,.@-]{1,64}$/.test(role)) throw unavailable('names no role of the instance')
  return keysIn(await get(`meta-data/iam/security-credentials/${role}`, headers))
}

async function fetched(request: OutsideRequest, parts: LoginParts, signal: AbortSignal): Promise<string> {
  const answer = await askOutside(parts, { ...request, timeoutMs: TIMEOUT_MS }, signal)
  if (answer.status === null) throw unavailable(answer.what, answer.facts)
  if (answer.status !== 200) throw unavailable('gives no keys', { providerStatus: answer.status })
  return answer.text
}

function keysIn(text: string): AwsKeys {
  const keys = z.safeParse(keysReply, parseJson(text)).data
  if (keys === undefined) throw unavailable('gives no keys')
  return { accessKeyId: keys.AccessKeyId, secretAccessKey: keys.SecretAccessKey, sessionToken: keys.Token }
}

const unavailable = (what: string, facts: Facts = {}): KeyringError =>
  new KeyringError('ERR_AWS_CREDENTIALS_UNAVAILABLE', `The credential service of AWS ${what}.`, { facts })
