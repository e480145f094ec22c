/** Why references to a vault lead nowhere: nobody has set one of that prefix, or it is not used because of its settings. */
import { KeyringError, remedyFor } from '../core/errors.ts'

const LEFT_OUT = 'Correct its settings: the status, the log at the start and "edge-keyring check" say what is wrong.'

/** @param leftOut prefixes of vaults that are set and not used. What is wrong with them is not for callers. @param nobody what is said of others. */
export function noVault(prefix: string, leftOut: ReadonlySet<string>, nobody: string): KeyringError {
  const [code, isSet] = ['ERR_REFERENCE_VAULT_UNKNOWN', leftOut.has(prefix)] as const
  const message = isSet ? `The vault "${prefix}" is not used because of its settings.` : nobody
  return new KeyringError(code, message, { remedy: isSet ? LEFT_OUT : remedyFor(code) })
}
