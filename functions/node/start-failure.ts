/** Why a start ends: a code, a sentence and a remedy. Nothing else of an error is told, because foreign ones quote what they were given. */
import { createServer } from 'node:net'
import { sep } from 'node:path'
import type { Problem } from '../../src/config/setting.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { LOCAL_FOLDER } from './local.ts'

/** The start's own codes; docs/cli.md lists them. */
export const START_CODES = ['ERR_ALREADY_RUNNING', 'ERR_LISTEN_FAILED', 'ERR_FOLDER_UNUSABLE'] as const

type OwnCode = (typeof START_CODES)[number] | 'ERR_USAGE'

interface More {
  readonly remedy: string
  readonly problems?: readonly Problem[]
}

export class StartFailure extends Error {
  override readonly name = 'StartFailure'
  readonly code: OwnCode | KeyringError['code']
  readonly remedy: string
  /** Of the settings, by name and rule. */
  readonly problems: readonly Problem[]

  constructor(code: StartFailure['code'], message: string, { remedy, problems = [] }: More) {
    super(message)
    this.code = code
    this.remedy = remedy
    this.problems = problems
  }
}

export function refusedSettings(problems: readonly Problem[]): StartFailure {
  const names = new Set(problems.map(({ name }) => name))
  const message = `These settings are missing or wrong: ${[...names].join(', ')}.`
  return new StartFailure('ERR_CONFIG_INVALID', message, { remedy: 'docs/settings.md lists them all.', problems })
}

/** Whatever was thrown. */
export function startFailureOf(error: unknown): StartFailure {
  if (error instanceof StartFailure) return error
  if (error instanceof KeyringError) return new StartFailure(error.code, error.message, error)
  const path = pathOf(error)
  if (path === LOCAL_FOLDER || path?.startsWith(LOCAL_FOLDER + sep)) return folderFailure(path, reasonOf(error))
  const code = reasonOf(error)
  if (code.startsWith('ERR_PARSE_ARGS'))
    return new StartFailure('ERR_USAGE', 'The server takes no other flags than --fresh, --conf and --deck.', {
      remedy: 'Remove it.',
    })
  return new StartFailure('ERR_INTERNAL', `The server ended by a defect (${[code, placeOf(error)].join(', ')}).`, {
    remedy: 'Report it, with this line.',
  })
}

/** @param error of listening. @param taken what to do about the port when another program has it. */
export function listenFailure(error: unknown, port: number, taken: string): StartFailure {
  const reason = reasonOf(error)
  const [message, remedy] =
    reason === 'EADDRINUSE'
      ? [`Port ${port} is taken.`, taken]
      : reason === 'EACCES'
        ? [
            `This user may not listen on port ${port}.`,
            'Use a port from 1024 on (PORT), or give the process the right.',
          ]
        : [
            `The server cannot listen on what HOST names: ${LISTENING[reason] ?? 'the system refuses it'} (${reason}).`,
            'Set HOST to an address of this machine: 127.0.0.1 is for this machine alone, 0.0.0.0 for all its networks.',
          ]
  return new StartFailure('ERR_LISTEN_FAILED', message, { remedy })
}

/** @throws the system's error when listening there fails now. */
export const tryPort = (port: number, host: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(port, host, () => server.close(() => resolve()))
  })

const NOT_OURS = 'it is no address of this machine'
const NO_NAME = 'the name has no address here'
const LISTENING: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: NOT_OURS,
  EAFNOSUPPORT: NOT_OURS,
  EINVAL: NOT_OURS,
  ENOTFOUND: NO_NAME,
  EAI_AGAIN: NO_NAME,
}

const FULL = 'its disk is full'
const FORBIDDEN = 'this user may not'
const FILING: Readonly<Record<string, string>> = {
  ENOSPC: FULL,
  EDQUOT: FULL,
  EROFS: 'its disk is read-only',
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
}

const folderFailure = (path: string, reason: string): StartFailure =>
  new StartFailure(
    'ERR_FOLDER_UNUSABLE',
    `${path} cannot be made or written: ${FILING[reason] ?? 'the system refuses it'} (${reason}).`,
    {
      remedy: `Mend that; or set what would be kept in ${LOCAL_FOLDER}: a Vault, KEYRING_DATABASE, KEYRING_WRAPPING_KEYS and KEYRING_API_TOKENS.`,
    },
  )

/** The system's code or, for lack of one, the kind of error. */
function reasonOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code === 'string' && /^[A-Z0-9_]+$/.test(code)) return code
  return error instanceof Error ? error.name : typeof error
}

function pathOf(error: unknown): string | undefined {
  const path = (error as { path?: unknown } | null)?.path
  return typeof path === 'string' ? path : undefined
}

/** The first frame: a function of the code and its line. */
function placeOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  return (
    stack
      .split('\n')
      .find((line) => line.startsWith('    at '))
      ?.trim() ?? 'nowhere'
  )
}
