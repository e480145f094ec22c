/** The words in which a step says what it found. */
import * as z from 'zod/mini'
import { KeyringError } from '../../core/errors.ts'
import type { Facts } from '../../core/errors.ts'
import type { Check, Finding } from '../../core/findings.ts'
import { printable } from '../../core/printable.ts'

/** Of a token that may do more than is needed. */
export const LESS = 'Give it a policy that allows to read, and nothing else.'

export const ok = (check: Check, detail: string, facts?: Facts): Finding => ({
  check,
  outcome: 'ok',
  detail,
  ...(facts && { facts }),
})

export const warning = (check: Check, detail: string, remedy: string, facts?: Facts): Finding => ({
  check,
  outcome: 'warning',
  detail,
  remedy,
  ...(facts && { facts }),
})

export const unseen = (check: Check, detail: string): Finding => ({ check, outcome: 'skipped', detail })

export const failedCheck = (check: Check, { code, message, remedy, facts }: KeyringError): Finding => ({
  check,
  outcome: 'failed',
  detail: message,
  code,
  remedy,
  facts,
})

/** @throws what is no `KeyringError`. */
export function asFailed(check: Check): (error: unknown) => Finding {
  return (error) => {
    if (error instanceof KeyringError) return failedCheck(check, error)
    throw error
  }
}

/** A text of Vault's that is shown. */
export const shown = z.pipe(
  z.string(),
  z.transform((text) => printable(text, 128)),
)

export const isFinding = (value: unknown): value is Finding =>
  typeof value === 'object' && value !== null && 'outcome' in value
