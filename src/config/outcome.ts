/** What follows from the settings, the same on every platform: what a deployment goes on with, and what is told to whom. */
import { settingLine } from '../core/lines.ts'
import type { Parsed } from './answering.ts'
import type { Problem } from './setting.ts'

interface Outcome<C> {
  /** `null` = nothing can be served. */
  readonly config: C | null
  /** The names of the settings at fault; callers get these alone. */
  readonly names: readonly string[]
  /** What is wrong with them, and what there is to note, for the operator's log. */
  readonly tell: (log: { error(line: string): void; warn(line: string): void }) => void
}

/** @param others problems that the platform has found. */
export function outcomeOf<C>(parsed: Parsed<C>, others: readonly Problem[] = []): Outcome<C> {
  const problems = [...(parsed.ok ? [] : parsed.problems), ...others]
  const isWrong = !parsed.ok || problems.length > 0
  const notices = isWrong ? [] : parsed.notices
  const config = isWrong ? null : parsed.config
  return {
    config,
    names: isWrong ? problems.map(({ name }) => name) : config === null ? ['KEYRING_ENABLED'] : [],
    tell(log) {
      for (const { name, message } of problems) log.error(settingLine(name, message))
      for (const notice of notices) log.warn(notice)
    },
  }
}

/** The problems as people at a terminal read them. */
export const problemLines = (problems: readonly Problem[]): string[] =>
  problems.map(({ name, message }) => `  ${name}: ${message}`)
