/** `edge-keyring doctor` and `login`: the way to Vault step by step, and the first part of it. */
import { POINTLESS } from '../../src/core/findings.ts'
import type { KeyringClient } from './client.ts'
import type { Outcome } from './command.ts'
import type { ChecksBody, DiagnosisBody } from './schema.ts'

/** @param isForced a login that was refused is tried once more. */
export const doctor = async (keyring: KeyringClient, isForced: boolean): Promise<Outcome> =>
  outcomeOf(await keyring.doctor(isForced))

/** What a login needs, and who one is then. */
const OF_LOGIN = new Set(['dns', 'tcp', 'tls', 'server', 'login', 'token'])

export async function login(keyring: KeyringClient): Promise<Outcome> {
  const all = await keyring.doctor(false)
  const checks = all.checks.filter(({ check }) => OF_LOGIN.has(check))
  return outcomeOf({ ...all, vaults: undefined, checks, healthy: checks.every(({ outcome }) => outcome !== 'failed') })
}

function outcomeOf(document: DiagnosisBody): Outcome {
  const { checks, vaults = [], healthy } = document
  const all = [screen(checks), ...vaults.map((each) => `vault ${each.vault}\n${screen(each.checks)}`)]
  return { document, screen: all.join(''), exit: healthy ? 0 : 1 }
}

/** Steps that an earlier failure made pointless are one line: the failure is what to look at. */
function screen(checks: ChecksBody): string {
  const isPointless = ({ outcome, detail }: ChecksBody[number]) => outcome === 'skipped' && detail === POINTLESS
  const pointless = checks.filter(isPointless).map(({ check }) => check)
  const last =
    pointless.length === 0 ? '' : `  -  ${pointless.join(', ')}: not looked at, because of what failed above\n`
  return (
    checks
      .filter((check) => !isPointless(check))
      .map(lines)
      .join('') + last
  )
}

const TICKS: Readonly<Record<string, string>> = { ok: '✔', warning: '!', failed: '✘', skipped: '-' }
const INDENT = ' '.repeat(18)

function lines({ check, outcome, code, detail, remedy }: ChecksBody[number]): string {
  const what = code === undefined ? detail : `${code}: ${detail}`
  const first = `  ${TICKS[outcome] ?? '?'}  ${check.padEnd(12)}  ${what}\n`
  return remedy === undefined ? first : `${first}${INDENT} ${remedy}\n`
}
