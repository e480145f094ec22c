/** The function that asks Vault and writes the table: on a schedule, and for the HTTP function. */
import { readFile } from 'node:fs/promises'
import { createAuthority } from '../../src/app.ts'
import type { Config } from '../../src/config/config.ts'
import { outcomeOf } from '../../src/config/outcome.ts'
import type { Env } from '../../src/config/setting.ts'
import { refusal } from '../../src/core/errors.ts'
import { LEASED_WORK_MS } from '../../src/core/lease.ts'
import { defectLine } from '../../src/core/lines.ts'
import type { KeyringAuthority } from '../../src/core/ports.ts'
import { encryptBoundMs } from '../../src/keyring/freshness.ts'
import { toJson } from '../../src/keyring/messages.ts'
import { runSchedule } from '../../src/keyring/schedule.ts'
import { nodeCipher, nodeHash } from '../node-shared/cipher.ts'
import { systemClock } from '../node-shared/clock.ts'
import { readSettings } from '../node-shared/settings.ts'
import { probeOf } from '../node-shared/probe.ts'
import { vaultFetch } from '../node-shared/vault-fetch.ts'
import { awsProblems, signedAws } from './aws.ts'
import { dynamoStore } from './dynamo-store.ts'
import { parseEvent } from './event.ts'
import { Invocation } from './invocation.ts'
import type { LambdaContext } from './invocation.ts'
import { FRESHNESS, SYNC_BATCH } from './limits.ts'

/** After the last word of Vault: for the record, the status and the lease, in milliseconds. */
const WRITING_MS = 4000

interface Deployment {
  readonly authority: KeyringAuthority
  readonly keyrings: readonly string[]
}

const invocation = new Invocation(systemClock)
const deployment = deploy(process.env)

/** `null` = the settings are wrong. */
function deploy(env: Env): Deployment | null {
  const { config, tell } = outcomeOf(readSettings(env, 'lambda-sync'), awsProblems(env))
  tell(console)
  return config && { authority: authorityOf(config, env), keyrings: config.keyrings }
}

function authorityOf(config: Config, env: Env): KeyringAuthority {
  const leftMs = () => invocation.leftMs()
  const store = dynamoStore({ aws: signedAws(env), table: config.lambda.table ?? '', clock: systemClock, leftMs })
  return createAuthority(config, {
    cipher: nodeCipher,
    hash: nodeHash,
    clock: systemClock,
    store,
    replica: null,
    fetch: vaultFetch(config.vault).fetch,
    readFile: (path) => readFile(path, 'utf8'),
    encryptBoundMs: encryptBoundMs(FRESHNESS),
    probe: probeOf(config.vault, systemClock),
    syncBatch: SYNC_BATCH,
    leftMs: () => Math.max(0, leftMs() - WRITING_MS),
    log: (line) => console.warn(line),
  })
}

/** Never throws a foreign error: Lambda prints what is thrown. */
export const handler = async (event: unknown, context: LambdaContext): Promise<unknown> => {
  const parsed = parseEvent(event)
  invocation.begin(context, parsed === null || parsed === 'schedule' ? undefined : parsed.withinMs)
  if (deployment === null)
    return refusal('ERR_CONFIG_INVALID', 'The settings of this deployment are wrong; its log names them.')
  if (parsed === null) return refusal('ERR_REQUEST_INVALID', 'The event is neither of a schedule nor a call.')
  try {
    if (parsed === 'schedule') return await runDue(deployment)
    return toJson(await deployment.authority.call(parsed.message))
  } catch (error) {
    console.error(defectLine(error, context.awsRequestId))
    // oxlint-disable-next-line preserve-caught-error -- its text is foreign, and Lambda would print it
    throw new Error('Something went wrong here; the log has it.')
  }
}

/** What there is no time left for is due again in a minute. */
async function runDue({ authority, keyrings }: Deployment): Promise<void> {
  const hasTime = () => invocation.leftMs() >= LEASED_WORK_MS + WRITING_MS
  await runSchedule(authority, keyrings, (line) => console.log(line), hasTime)
}
