/** AWS Secrets Manager as a vault behind references where its SDK would outweigh all else: signed requests, and the keys of a role from STS. */
import * as z from 'zod/mini'
import { parseJson } from '../core/body.ts'
import type { AwsCredentialSource } from '../core/login-settings.ts'
import type { Clock, Fetch } from '../core/ports.ts'
import type { SecretAnswer, SecretBackend } from '../core/secrets.ts'
import { assumeRole } from './login/aws-assume-role.ts'
import type { AwsKeys } from './login/aws-signature.ts'
import { signedHeaders } from './login/aws-signature.ts'
import type { OutsideAnswer } from './login/outside.ts'
import { askOutside } from './login/outside.ts'
import { managedSecret, managerOutage, meaningOf, roleKeys, stageOf } from './managed-secrets.ts'

export interface SecretsManagerSettings {
  readonly region: string
  /** `null` = that of the region. */
  readonly endpoint: string | null
  readonly stsEndpoint: string
  readonly assume: { readonly arn: string; readonly session: string } | null
  readonly keys: AwsCredentialSource & { readonly from: 'keys' }
}

interface Parts {
  readonly fetch: Fetch
  readonly clock: Clock
}

const HEADERS = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'secretsmanager.GetSecretValue' }
const secretReply = z.object({ SecretString: z.optional(z.string()) })
const exceptionReply = z.object({
  __type: z.string(),
  message: z.optional(z.string()),
  Message: z.optional(z.string()),
})

export function signedSecretsManager(settings: SecretsManagerSettings, parts: Parts): SecretBackend {
  const { region, endpoint } = settings
  const url = endpoint ?? `https://secretsmanager.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}/`
  const role = roleOf(settings, parts)
  return {
    async read({ resource, version }, { signal }) {
      const body = JSON.stringify({ SecretId: resource, VersionStage: stageOf(version) })
      const now = parts.clock.now()
      const keys = await role.keys(signal)
      const request = { service: 'secretsmanager', region, url, body, headers: HEADERS, now } as const
      const headers = await signedHeaders(keys, request)
      const answer = await askOutside(parts, { url, method: 'POST', headers, body }, signal)
      if (answer.status === null) throw managerOutage(answer.what)
      return answer.status === 200 ? secretIn(answer.text) : refusalIn(answer, role.forget)
    },
  }
}

function roleOf({ region, stsEndpoint, assume, keys }: SecretsManagerSettings, parts: Parts) {
  const { accessKeyId, secretAccessKey, sessionToken } = keys
  const own: AwsKeys = {
    accessKeyId,
    secretAccessKey: secretAccessKey.reveal(),
    sessionToken: sessionToken?.reveal() ?? null,
  }
  return roleKeys(
    async (signal) => (assume === null ? own : assumeRole(own, { region, stsEndpoint }, assume, parts, signal)),
    parts.clock,
  )
}

function secretIn(text: string): SecretAnswer {
  const reply = z.safeParse(secretReply, parseJson(text)).data
  if (reply === undefined) throw managerOutage('sent what is no answer')
  return managedSecret(reply.SecretString)
}

/** Of the exception its name alone is told: its text may quote anything. @param forgetRole for an outage, which keys that are no good look like. */
function refusalIn({ status, text, retryAfter }: OutsideAnswer, forgetRole: () => void): SecretAnswer {
  const reply = z.safeParse(exceptionReply, parseJson(text)).data
  const name = reply?.__type.split('#').at(-1) ?? ''
  const kind = meaningOf(name, reply?.message ?? reply?.Message ?? '')
  if (kind !== null) return { kind }
  forgetRole()
  const what = /^[A-Za-z]{1,64}$/.test(name) ? name : 'no exception of its own'
  throw managerOutage(`answers ${status} (${what})`, retryAfter)
}
