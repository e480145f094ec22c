/** Why a command did not do what was asked: a code, a sentence, a remedy, and the exit status that tells scripts whose move it is. */
import { problemLines } from '../../src/config/outcome.ts'
import type { Problem } from '../../src/config/setting.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { ME, remedyOf } from './remedies.ts'

/** 0 = done; 1 = refused or failed; 2 = the settings or the words of the command are wrong; 3 = nobody answers. */
type ExitStatus = 1 | 2 | 3

/** The command line's own codes, beside those of `src/core/errors.ts`; docs/cli.md lists them. They never cross HTTP. */
export const OWN_REMEDIES = {
  ERR_USAGE: `See "${ME} help <command>".`,
  ERR_NOTHING_HERE: `Start a server here (${ME} start), go to the folder of one, or name a deployment in EDGE_KEYRING_URL.`,
  ERR_FOLDER_UNUSABLE: 'Mend that, and repeat the command.',
  ERR_SYNC_INCOMPLETE: 'Sync again.',
  ERR_SERVER_UNKNOWN: 'Try again: it may be starting or stopping. If it lasts, end that server and start it anew.',
  ERR_DEPLOYMENT_UNREACHABLE: 'Check EDGE_KEYRING_URL, the network and, for https, NODE_EXTRA_CA_CERTS.',
  ERR_DEPLOYMENT_TIMEOUT: 'Ask for the status; what was begun may have been done.',
  ERR_DEPLOYMENT_UNKNOWN: 'Check EDGE_KEYRING_URL: it must name the keyring itself; redirects are not followed.',
} as const

const EXITS: Readonly<Record<keyof typeof OWN_REMEDIES, ExitStatus>> = {
  ERR_USAGE: 2,
  ERR_NOTHING_HERE: 2,
  ERR_FOLDER_UNUSABLE: 1,
  ERR_SYNC_INCOMPLETE: 1,
  ERR_SERVER_UNKNOWN: 3,
  ERR_DEPLOYMENT_UNREACHABLE: 3,
  ERR_DEPLOYMENT_TIMEOUT: 3,
  ERR_DEPLOYMENT_UNKNOWN: 3,
}

interface Document {
  readonly remedy?: string
  readonly [field: string]: unknown
}

export class Failure extends Error {
  override readonly name = 'Failure'
  readonly exit: ExitStatus
  /** For `--json`. */
  readonly document: Document
  /** For people. */
  readonly lines: readonly string[]

  constructor(exit: ExitStatus, document: Document, lines: readonly string[]) {
    super(lines.join(' '))
    this.exit = exit
    this.document = document
    this.lines = lines
  }
}

export function failed(code: keyof typeof OWN_REMEDIES, detail: string): Failure {
  const remedy = OWN_REMEDIES[code]
  return new Failure(EXITS[code], { code, detail, remedy }, [`${code}: ${detail}`, remedy])
}

const FULL = 'its disk is full'
const READ_ONLY = 'it or its disk is read-only'
const FAILS = 'a quota, a limit on the size of files, or its disk fails'
/** What no word of a command can help. SQLite's codes are its results. */
const DISK: Readonly<Record<string | number, string>> = {
  ENOSPC: FULL,
  13: FULL,
  EDQUOT: FAILS,
  EFBIG: FAILS,
  EIO: FAILS,
  10: FAILS,
  EROFS: READ_ONLY,
  8: READ_ONLY,
}

/** Of the system's or SQLite's error. @param what cannot be done, without a full stop. */
export function systemFailure(what: string, error: unknown): Failure {
  const { code = 'unknown', errcode } = error as { readonly code?: string; readonly errcode?: number }
  const trouble = DISK[errcode === undefined ? code : errcode & 0xff]
  return trouble === undefined
    ? failed('ERR_USAGE', `${what} (${code}).`)
    : failed('ERR_FOLDER_UNUSABLE', `${what}: ${trouble} (${code}).`)
}

/** Settings are told by name and rule, never by value. */
export function wrongSettings(problems: readonly Problem[]): Failure {
  const lines = [
    'ERR_CONFIG_INVALID: These settings are missing or wrong (docs/settings.md):',
    ...problemLines(problems),
  ]
  return new Failure(2, { code: 'ERR_CONFIG_INVALID', problems }, lines)
}

/** `null` = a defect, not a failure. */
export function failureOf(error: unknown): Failure | null {
  if (error instanceof Failure) return error
  if (!(error instanceof KeyringError)) return null
  const { code, message: detail, facts } = error
  const remedy = remedyOf(code, error.remedy)
  return new Failure(1, { ...facts, code, detail, remedy }, [`${code}: ${detail}`, remedy])
}
