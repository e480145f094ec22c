/** The doctor's look at one vault behind references: step by step to the mount of a Vault, one finding of what is no Vault. */
import type { EntitySettings } from './config/entities.ts'
import { settle } from './core/errors.ts'
import type { DiagnoseOptions, Finding, Probe } from './core/findings.ts'
import type { Clock } from './core/ports.ts'
import type { SecretBackend } from './core/secrets.ts'
import { examineWay } from './vault/doctor/doctor.ts'
import type { Vault } from './vault/open.ts'

export interface EntityWay {
  readonly entity: EntitySettings
  /** `null` = it is no Vault, or is not asked from here. */
  readonly vault: Vault | null
  readonly backend: SecretBackend | null
  /** `null` = the platform does not show the network. */
  readonly probe: Probe | null
  readonly clock: Clock
  /** A remedy with the names that this entity's settings have. */
  readonly spelt: (remedy: string) => string
}

export async function examineEntity(
  way: EntityWay,
  signal: AbortSignal,
  options: DiagnoseOptions,
): Promise<readonly Finding[]> {
  return (await lookAt(way, signal, options)).map((finding) =>
    finding.remedy === undefined ? finding : { ...finding, remedy: way.spelt(finding.remedy) },
  )
}

function lookAt(
  { entity, vault: own, backend, probe, clock }: EntityWay,
  signal: AbortSignal,
  { login }: DiagnoseOptions,
): Promise<readonly Finding[]> | readonly Finding[] {
  const settings = entity.backend
  if (settings.type === 'hcv' && own !== null) {
    const { kv, mount, vault } = settings
    const source = { id: { ...vault, kind: `kv${kv === 'v1' ? 1 : 2}`, mount } } as const
    const reader = own.reader(null, login ? 'refusal' : 'none')
    const { address } = vault
    const way = { transport: own.open, reader, source, probe, address, clock, isForced: login }
    return examineWay({ ...own, ...way }, signal)
  }
  const { type } = settings
  return backend === null || type === 'hcv' || type === 'pushed' ? [FROM_INSIDE] : lookInside(type, backend, signal)
}

const FROM_INSIDE: Finding = {
  check: 'server',
  outcome: 'skipped',
  detail: 'Not asked from here: what it says is pushed from inside.',
}

/** That there is no secret of a name that nobody gives one is an answer too. Of files it is the folder itself, which is no secret. */
const NOBODYS = { aws: 'edge-keyring-doctor', env: '.', fs: '.' } as const
const ANSWERS = {
  aws: 'Secrets Manager answers.',
  env: 'Variables of this environment, which nobody has to be asked for.',
  fs: 'The folder is there.',
} as const

async function lookInside(
  type: keyof typeof NOBODYS,
  backend: SecretBackend,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const name = { resource: NOBODYS[type], version: null }
  const answer = await settle(() => backend.read(name, { insist: 'none', signal }))
  if (!answer.ok) {
    const { code, message: detail, remedy } = answer.error
    return [{ check: 'secret', outcome: 'failed', code, detail, remedy }]
  }
  const isMissing = type === 'fs' && answer.value.kind === 'absent'
  return isMissing ? [NO_FOLDER] : [{ check: 'secret', outcome: 'ok', detail: ANSWERS[type] }]
}

const NO_FOLDER: Finding = {
  check: 'secret',
  outcome: 'failed',
  code: 'ERR_SECRET_NOT_FOUND',
  detail: 'The folder is not there.',
  remedy: 'Make it, or correct its path.',
}
