/** The function that asks Vault and writes the table: on a schedule, and for the HTTP function. */
import { createAuthority } from '../../src/app.ts'
import type { Parsed } from '../../src/config/answering.ts'
import { referencesIn } from '../../src/config/names.ts'
import { outcomeOf } from '../../src/config/outcome.ts'
import type { Env } from '../../src/config/setting.ts'
import { hasVaults } from '../../src/config/vaults-set.ts'
import type { VaultTls } from '../../src/config/vault.ts'
import type { VaultsConfig } from '../../src/config/with-vaults.ts'
import { KeyringError, refusal } from '../../src/core/errors.ts'
import { LEASED_WORK_MS } from '../../src/core/lease.ts'
import { auditLine, defectLine, failureLine, settingLine } from '../../src/core/lines.ts'
import type { KeyringAuthority, Message } from '../../src/core/operations.ts'
import type { Audit, AuditEvent } from '../../src/core/ports.ts'
import { toJson } from '../../src/keyring/messages.ts'
import type { Renew } from '../../src/keyring/renewed-authority.ts'
import { runSchedule } from '../../src/keyring/schedule.ts'
import { tellingAuthority } from '../../src/keyring/wrapping-trouble.ts'
import { nodeCipher, nodeHash } from '../node-shared/cipher.ts'
import { systemClock } from '../../src/core/clock.ts'
import { settingsBy } from '../node-shared/settings-by.ts'
import { probeOf } from '../node-shared/probe.ts'
import { readTextFile } from '../node-shared/text-file.ts'
import { vaultFetch } from '../node-shared/vault-fetch.ts'
import { awsProblems, signedAws } from './aws.ts'
import { dynamoStore } from './dynamo-store.ts'
import type { Scheduled } from './event.ts'
import { parseEvent } from './event.ts'
import { Invocation } from './invocation.ts'
import type { LambdaContext } from './invocation.ts'
import { SYNC_BATCH } from './limits.ts'
import type { openLambdaVaults } from './vaults.ts'

/** This much is kept after the last word of Vault, for the record, the status and the lease, in milliseconds. */
const WRITING_MS = 4000

interface Deployment {
  readonly authority: KeyringAuthority
  /** As they are now. */
  readonly config: () => VaultsConfig
}

/** What opens the vaults behind references; `null` = there are none. */
type OpenVaults = typeof openLambdaVaults | null

/** As that of the HTTP function (`audit.ts`); here is nobody who could be refused. */
const audit: Audit = { note: print, commit: async (event) => print(event) }
const invocation = new Invocation(systemClock)
/** Settings by reference. */
const references = referencesIn(process.env, 'lambda-sync')
/** `null` = the settings are wrong. References are asked for with an event, because a start that waits is ended, and again until all of them can be read. */
let deployment = references.length > 0 ? null : await deploy(process.env)

function print(event: AuditEvent): void {
  console.log(auditLine(event))
}

/** A cold start without an expression of several fields does not load what reads one. */
function hasCron({ KEYRING_ROTATION: text = '' }: Env): boolean {
  return /\s/.test(text.trim())
}

/** Nor, without a certificate, what reads those; a vault behind references may have one. */
function hasCertificate(env: Env): boolean {
  return hasVaults(env) || Object.keys(env).some((name) => /CERT/i.test(name) && env[name])
}

async function deploy(env: Env): Promise<Deployment | null> {
  const { readCron } = hasCron(env) ? await import('../../src/core/cadence.ts') : {}
  const { readTls = null } = hasCertificate(env) ? await import('../node-shared/way.ts') : {}
  const lookAtTls = (tls: VaultTls) => readTls?.(tls, Date.now()).problems ?? []
  const later = hasVaults(env) ? await import('./later.ts') : null
  const read = (each: Env): Parsed<VaultsConfig> => {
    const parsed = settingsBy(readTls, each, 'lambda-sync', undefined, readCron)
    return later === null ? parsed : later.withVaults(parsed, each, 'lambda-sync', lookAtTls, env)
  }
  const { parsed, renew } =
    references.length === 0
      ? { parsed: read(env), renew: null }
      : await (await import('./later.ts')).readLive(env, references, read)
  const { config, tell } = outcomeOf(parsed, awsProblems(env))
  tell(console)
  return config && deploymentOf(config, renew, (each) => openAuthority(each, env, later?.openLambdaVaults ?? null))
}

async function deploymentOf(
  config: VaultsConfig,
  renew: Renew<VaultsConfig> | null,
  open: (config: VaultsConfig) => ReturnType<typeof openAuthority>,
): Promise<Deployment> {
  const log = (line: string) => console.error(line)
  const tell = (setting: string, problem: string) => log(settingLine(setting, problem))
  const first = open(config)
  if (renew === null) return { authority: tellingAuthority(first.authority, log), config: () => config }
  const { RenewedAuthority } = await import('./later.ts')
  const renewed = new RenewedAuthority({ first, renew, open, clock: systemClock, tell })
  return { authority: tellingAuthority(renewed, log), config: () => renewed.live.config }
}

function openAuthority(config: VaultsConfig, env: Env, openVaults: OpenVaults) {
  const log = (line: string) => console.warn(line)
  const reached = { aws: signedAws(env), leftMs: () => invocation.leftMs() }
  const store = dynamoStore({ ...reached, table: config.lambda.table ?? '', clock: systemClock })
  const shared = { cipher: nodeCipher, hash: nodeHash, clock: systemClock, store, readFile: readTextFile, log }
  const vault = vaultFetch(config.vault)
  const loadRare = async () => (await import('./later.ts')).rare
  const vaults = openVaults?.(config, { ...shared, ...reached, loadRare })
  const authority = createAuthority(config, {
    ...shared,
    replica: null,
    fetch: vault.fetch,
    probe: probeOf(config.vault, systemClock),
    vaults: vaults?.keepers ?? null,
    loadRare,
    syncBatch: SYNC_BATCH,
    leftMs: () => Math.max(0, reached.leftMs() - WRITING_MS),
    audit,
  })
  return { config, authority, close: async () => void (await Promise.all([vault.close(), vaults?.close()])) }
}

/**
 * A caller is answered with the defect. For the schedule, and for a trigger of another kind, it is an error of the function, since nobody
 * hears an answer. An event that is not known is told of without what is in it.
 */
export const handler = async (event: unknown, context: LambdaContext): Promise<unknown> => {
  const parsed = parseEvent(event)
  if (parsed === null) throw unknownEvent()
  invocation.begin(context, typeof parsed === 'string' ? undefined : parsed.withinMs)
  if (references.length > 0) deployment ??= await deploy(process.env)
  if (deployment === null)
    return refusal('ERR_CONFIG_INVALID', 'The settings of this deployment are wrong; its log names them.')
  if (typeof parsed !== 'string') return carryOut(deployment, parsed.message, context.awsRequestId)
  if (!(await runDue(deployment, parsed))) throw new Error('Something went wrong here; the log has it.')
  return null
}

function unknownEvent(): KeyringError {
  const error = new KeyringError('ERR_REQUEST_INVALID', 'The event is neither of a schedule nor a call.', {
    remedy: 'Take the trigger that sends it away from the sync function, or deploy both functions from one version.',
  })
  console.error(failureLine('event', error))
  return error
}

/** It never throws, because Lambda prints what is thrown. */
async function carryOut({ authority }: Deployment, message: Message, request: string): Promise<unknown> {
  try {
    return toJson(await authority.call(message))
  } catch (error) {
    console.error(defectLine(error, request))
    return refusal('ERR_INTERNAL', 'Something went wrong in the sync function.')
  }
}

/** A keyring or vault for which no time is left is due again in a minute. */
function runDue({ authority, config }: Deployment, scheduled: Scheduled): Promise<boolean> {
  const hasTime = () => invocation.leftMs() >= LEASED_WORK_MS + WRITING_MS
  const { keyrings, vaults = [] } = config()
  const prefixes = vaults.map(({ prefix }) => prefix)
  return runSchedule(authority, scheduled === 'vaults' ? [] : keyrings, (line) => console.log(line), hasTime, prefixes)
}
