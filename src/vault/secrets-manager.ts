/** AWS Secrets Manager as a vault behind references where its SDK would outweigh all else: signed requests, and the keys of a role from STS. */
import * as z from 'zod/mini'
import { parseJson } from '../core/body.ts'
import { KeyringError } from '../core/errors.ts'
import type { AwsCredentialSource } from '../core/login-settings.ts'
import type { Clock, Fetch } from '../core/ports.ts'
import { Secret } from '../core/secret.ts'
import type { SecretAnswer, SecretBackend } from '../core/secrets.ts'
import { assumeRole } from './login/aws-assume-role.ts'
import type { AwsKeys } from './login/aws-signature.ts'
import { signedHeaders } from './login/aws-signature.ts'
import type { OutsideAnswer } from './login/outside.ts'
import { askOutside } from './login/outside.ts'

export interface SecretsManagerSettings {
  readonly region: string
  /** `null` = that of the region. */
  readonly endpoint: string | null
  readonly stsEndpoint: string | null
  readonly assume: { readonly arn: string; readonly session: string } | null
  readonly keys: AwsCredentialSource & { readonly from: 'keys' }
}

interface Parts {
  readonly fetch: Fetch
  readonly clock: Clock
}

/** As in Kong version 1 is the current one and 2 the one before. */
const STAGES = ['AWSCURRENT', 'AWSPREVIOUS']
const HEADERS = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'secretsmanager.GetSecretValue' }
/** The keys of a role serve so long, in milliseconds: STS gives them for 900 s. */
const ROLE_MS = 600_000

const secretReply = z.object({ SecretString: z.optional(z.string()) })
const exceptionReply = z.object({
  __type: z.string(),
  message: z.optional(z.string()),
  Message: z.optional(z.string()),
})

export function signedSecretsManager(settings: SecretsManagerSettings, parts: Parts): SecretBackend {
  const { region, endpoint } = settings
  const url = endpoint ?? serviceUrl('secretsmanager', region)
  const keysOf = roleKeys(settings, parts)
  return {
    async read({ resource, version }, { signal }) {
      const body = JSON.stringify({ SecretId: resource, VersionStage: STAGES[(version ?? 1) - 1] })
      const now = parts.clock.now()
      const keys = await keysOf(signal)
      const request = { service: 'secretsmanager', region, url, body, headers: HEADERS, now } as const
      const headers = await signedHeaders(keys, request)
      const answer = await askOutside(parts, { url, method: 'POST', headers, body }, signal)
      if (answer.status === null) throw unavailable(answer.what)
      return answer.status === 200 ? secretIn(answer.text) : refusalIn(answer)
    },
  }
}

const serviceUrl = (service: string, region: string): string =>
  `https://${service}.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}/`

function roleKeys({ region, stsEndpoint, assume, keys }: SecretsManagerSettings, parts: Parts) {
  const { accessKeyId, secretAccessKey, sessionToken } = keys
  const own: AwsKeys = {
    accessKeyId,
    secretAccessKey: secretAccessKey.reveal(),
    sessionToken: sessionToken?.reveal() ?? null,
  }
  const sts = { region, stsEndpoint: stsEndpoint ?? serviceUrl('sts', region) }
  let held: { readonly keys: AwsKeys; readonly at: number } | null = null
  return async (signal: AbortSignal): Promise<AwsKeys> => {
    if (assume === null) return own
    const now = parts.clock.now()
    if (held !== null && now >= held.at && now < held.at + ROLE_MS) return held.keys
    const taken = await assumeRole(own, sts, assume, parts, signal)
    held = { keys: taken, at: now }
    return taken
  }
}

function secretIn(text: string): SecretAnswer {
  const reply = z.safeParse(secretReply, parseJson(text)).data
  if (reply === undefined) throw unavailable('sent what is no answer')
  if (reply.SecretString === undefined)
    throw new KeyringError('ERR_SECRET_UNUSABLE', 'The secret is binary, and references give texts.')
  return { kind: 'secret', text: new Secret(reply.SecretString) }
}

/** Of the exception its name alone is told: its text may quote anything. */
function refusalIn({ status, text, retryAfter }: OutsideAnswer): SecretAnswer {
  const reply = z.safeParse(exceptionReply, parseJson(text)).data
  const name = reply?.__type.split('#').at(-1) ?? ''
  if (name === 'ResourceNotFoundException') return { kind: 'absent' }
  if (name === 'AccessDeniedException') return { kind: 'forbidden' }
  // A secret that somebody has deleted is kept for some days, and given to nobody.
  if (name === 'InvalidRequestException' && /marked for deletion/.test(reply?.message ?? reply?.Message ?? ''))
    return { kind: 'absent' }
  const what = /^[A-Za-z]{1,64}$/.test(name) ? name : 'no exception of its own'
  throw unavailable(`answers ${status} (${what})`, retryAfter)
}

const unavailable = (what: string, retryAfterSeconds: number | null = null): KeyringError =>
  new KeyringError('ERR_AWS_UNAVAILABLE', `Secrets Manager ${what}.`, {
    facts: retryAfterSeconds === null ? {} : { retryAfterSeconds },
  })
