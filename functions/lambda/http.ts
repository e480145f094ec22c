/** The function that answers HTTP: function URL, or API Gateway's payload 2.0 on the stage `$default`. */
import { createApp } from '../../src/app.ts'
import type { LambdaHttpConfig } from '../../src/config/answering.ts'
import { readAnswering } from '../../src/config/answering.ts'
import { outcomeOf } from '../../src/config/outcome.ts'
import type { Env } from '../../src/config/setting.ts'
import { hasVaults } from '../../src/config/vaults-set.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { defectLine } from '../../src/core/lines.ts'
import { doubtsOnce } from '../../src/core/time.ts'
import { NO_VAULTS } from '../../src/http/call.ts'
import { problem } from '../../src/http/problem.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import { readingAuthority } from '../../src/keyring/reader.ts'
import { tellingAuthority } from '../../src/keyring/wrapping-trouble.ts'
import { nodeCipher, nodeHash } from '../node-shared/cipher.ts'
import { nodeNonces } from '../node-shared/nonces.ts'
import { systemClock } from '../../src/core/clock.ts'
import { lambdaAudit } from './audit.ts'
import type { Aws } from './aws.ts'
import { awsProblems, signedAws } from './aws.ts'
import { dynamoReader } from './dynamo-reader.ts'
import { requestOf, resultOf } from './http-event.ts'
import { Invocation } from './invocation.ts'
import type { LambdaContext } from './invocation.ts'
import { FRESHNESS } from './limits.ts'

const primitives = { cipher: nodeCipher, hash: nodeHash, clock: systemClock }
const invocation = new Invocation(systemClock)

const later = () => import('./http-later.ts')

interface Reached {
  readonly aws: Aws
  readonly leftMs: () => number
}

function authorityOf(config: LambdaHttpConfig, { aws, leftMs }: Reached) {
  const { table, wrappingKeys, syncPeriodMs, keyrings } = config
  const store = dynamoReader({ aws, table, clock: systemClock, leftMs })
  const invoking = distantAuthority(async (message) => {
    const { invokingAuthority } = await later()
    return invokingAuthority({ ...config, aws, leftMs }).call(message)
  })
  const doubt = doubtsOnce((line) => console.warn(line))
  const reading = readingAuthority({ ...primitives, store, wrappingKeys, syncPeriodMs, doubt }, keyrings, invoking)
  return tellingAuthority(reading, (line) => console.error(line))
}

async function build(env: Env) {
  const { config, names, tell } = outcomeOf(readAnswering(env), awsProblems(env))
  tell(console)
  if (config === null) return (await later()).misconfigured(names)
  const reached = { aws: signedAws(env), leftMs: () => invocation.leftMs() }
  const authority = authorityOf(config, reached)
  return createApp(config, {
    ...primitives,
    authority,
    replica: null,
    background: null,
    audit: lambdaAudit,
    nonces: { ...nodeNonces, ahead: 0, invocation: () => invocation.number },
    freshness: FRESHNESS,
    vaults: hasVaults(env) ? (await later()).openHttpVaults(env, config, { ...reached, beyond: authority }) : NO_VAULTS,
    extraTokens: [],
    loadRoutes: async () => (await later()).rareRoutes,
    onDefect: (error, request) => console.error(defectLine(error, request)),
  })
}

const app = await build(process.env)

export const handler = async (event: unknown, context: LambdaContext) => {
  invocation.begin(context)
  const request = requestOf(event)
  return request === null ? refusal(context.awsRequestId) : resultOf(await app.fetch(request))
}

function refusal(request: string) {
  const error = new KeyringError('ERR_REQUEST_INVALID', 'The event is no HTTP request of payload 2.0.', {
    remedy: 'Call the function URL, or API Gateway with payload 2.0.',
  })
  const { status: statusCode, headers, body } = problem('/', error, request, { 'cache-control': 'no-store' })
  return { statusCode, headers, body: JSON.stringify(body) }
}
