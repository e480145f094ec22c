/** What the status of a keyring and its doctor say of the vaults behind references: numbers and sentences, never the name of a secret. Whoever has none need not load it. */
import type { Result } from '../core/errors.ts'
import type { Diagnosis, DiagnoseOptions } from '../core/findings.ts'
import type { VaultSummary } from '../core/vault-operations.ts'
import type { Secrets } from '../secrets/secrets.ts'
import type { ChecksOfVault, VaultsOverview } from './call.ts'

/** @param broken what is not used of the settings, in sentences without a full stop. */
export const overviewOf = (secrets: Secrets | null, broken: readonly string[]): VaultsOverview => ({
  status: () => statusOf(secrets, broken),
  checks: (options) => checksOf(secrets, options),
})

async function statusOf(secrets: Secrets | null, broken: readonly string[]) {
  const all = (await secrets?.summaries()) ?? []
  const vaults = all.map(({ vault, result }) => shown(vault, result))
  const needed = all.flatMap(({ vault, result }) => neededBy(vault, result))
  return {
    ...(all.length > 0 && { vaults }),
    needed: [...needed, ...broken.map((each) => `Correct ${each}. Until then it is not used.`)],
  }
}

const isoTime = (ms: number): string => new Date(ms).toISOString()

function shown(vault: string, result: Result<VaultSummary>): object {
  if (!result.ok) return { vault, error: told(result.error) }
  const { failing, last, lacking, ...numbers } = result.value
  return {
    vault,
    ...numbers,
    last_answer: last === null ? null : isoTime(last),
    last_error: failing && { ...told(failing.error), since: isoTime(failing.since), count: failing.count },
    lacking: lacking.map(({ entry, error }) => ({ entry, ...told(error) })),
  }
}

const told = ({ code, message }: { readonly code: string; readonly message: string }) => ({ code, message })

function neededBy(vault: string, result: Result<VaultSummary>): readonly string[] {
  const of = (text: string) => `Vault "${vault}": ${text}`
  if (!result.ok) {
    const { code, message, remedy } = result.error
    return [of(code === 'ERR_REFERENCE_VAULT_UNKNOWN' ? NOT_THERE : `${message} ${remedy}`)]
  }
  const { failing, kept, forbidden, stale, pushed, lacking } = result.value
  return [
    ...(failing === null ? [] : [of(`${failing.error.message} ${failing.error.remedy}`)]),
    ...(kept === 0 && forbidden > 0 ? [of(NOT_GRANTED)] : []),
    ...(pushed && stale > 0 ? [of(`Secrets that expired were not pushed since. ${PUSH}`)] : []),
    ...lacking.map(({ entry, error }) => of(`Entry ${entry} of KEYRING_REFERENCES: ${error.message} ${error.remedy}`)),
  ]
}

/** What asks it reads more of its settings. */
const NOT_THERE = 'It cannot be used where it would be asked. Correct its settings; the log there names them.'
const NOT_GRANTED =
  'It lets us read none of the secrets that were asked for. Grant "read" on <mount>/data/* (KV version 1: <mount>/*), or secretsmanager:GetSecretValue.'
const PUSH = 'Run "edge-keyring push" where the vault is reached, by a schedule.'

async function checksOf(secrets: Secrets | null, options: DiagnoseOptions): Promise<readonly ChecksOfVault[]> {
  const all = (await secrets?.examine(options)) ?? []
  return all.map(({ vault, result }) => ({ vault, checks: checksIn(result) }))
}

/** A doctor that cannot be asked is a finding too. */
function checksIn(result: Result<Diagnosis>): Diagnosis['findings'] {
  if (result.ok) return result.value.findings
  const { code, message, remedy } = result.error
  return [{ check: 'server', outcome: 'failed', code, detail: message, remedy }]
}
