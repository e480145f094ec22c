/** Signed calls to AWS with what the Lambda environment gives. No SDK: that alone adds 100 ms to a cold start. */
import { AwsV4Signer } from 'aws4fetch'
import { parseJson } from '../../src/core/body.ts'
import { withDeadline } from '../../src/core/deadline.ts'
import { safeAddress } from '../../src/core/loopback.ts'
import { networkTrouble } from '../../src/core/network.ts'
import type { Env, Problem } from '../../src/config/setting.ts'

interface AwsRequest {
  readonly service: 'dynamodb' | 'lambda'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly timeoutMs: number
}

export interface AwsAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
}

/** Rejects when there is no whole answer in time; whether the request was carried out is not known then. */
export type Aws = (request: AwsRequest) => Promise<AwsAnswer>

const NEEDED = ['AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']
const ENDPOINTS = ['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_DYNAMODB', 'AWS_ENDPOINT_URL_LAMBDA']

/** Problems with what Lambda sets itself, which is wrong only elsewhere. */
export function awsProblems(env: Env): Problem[] {
  const missing = NEEDED.filter((name) => !env[name])
  const open = ENDPOINTS.filter((name) => env[name] && !safeAddress(env[name]))
  return [
    ...missing.map((name) => ({ name, message: 'is required: Lambda sets it' })),
    ...open.map((name) => ({ name, message: 'must be https, unless the host is loopback' })),
  ]
}

export function signedAws(env: Env): Aws {
  const region = env['AWS_REGION'] ?? ''
  const identity = {
    accessKeyId: env['AWS_ACCESS_KEY_ID'] ?? '',
    secretAccessKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
    ...(env['AWS_SESSION_TOKEN'] && { sessionToken: env['AWS_SESSION_TOKEN'] }),
    region,
    cache: new Map<string, ArrayBuffer>(),
  }
  return async ({ service, path, headers, body, timeoutMs }) => {
    if (timeoutMs <= 0) throw new DOMException('There is no time left.', 'AbortError')
    const url = endpoint(env, service, region) + path
    const signed = await new AwsV4Signer({ ...identity, service, method: 'POST', url, headers, body }).sign()
    const init: RequestInit = { method: 'POST', headers: signed.headers, body, redirect: 'error' }
    return withDeadline(timeoutMs, async (signal) => {
      const response = await fetch(signed.url, { ...init, signal })
      return { status: response.status, headers: response.headers, body: parseJson(await response.text()) ?? null }
    })
  }
}

function endpoint(env: Env, service: AwsRequest['service'], region: string): string {
  const given = env[`AWS_ENDPOINT_URL_${service.toUpperCase()}`] || env['AWS_ENDPOINT_URL']
  const partition = region.startsWith('cn-') ? '.cn' : ''
  return given ? given.replace(/\/+$/, '') : `https://${service}.${region}.amazonaws.com${partition}`
}

/** Why there is no answer. @throws what is no trouble of the network. */
export function whyNone(thrown: unknown): 'no answer in time' | 'no connection' {
  if (thrown instanceof Error && thrown.name === 'AbortError') return 'no answer in time'
  if (networkTrouble(thrown) === null) throw thrown
  return 'no connection'
}

/** The exception's name, which is all of a refusal that goes on: its text is foreign. */
export function exceptionName({ status, headers, body }: AwsAnswer): string {
  const type = (body as { __type?: unknown } | null)?.__type ?? headers.get('x-amzn-errortype')
  const name = /(?:^|#)([A-Za-z]{1,64})(?::|$)/.exec(typeof type === 'string' ? type : '')?.[1]
  return name ?? `HTTP ${status}`
}
