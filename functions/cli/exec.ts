/** `edge-keyring exec`: runs a program, without a shell, with the values of the references in its environment; without all of them it does not begin. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { secretNames } from '../../src/config/names.ts'
import { REFERENCES } from '../../src/config/vaults-set.ts'
import type { Env } from '../../src/config/setting.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { printable } from '../../src/core/printable.ts'
import { REFERENCE } from '../../src/core/reference.ts'
import { failed } from './failure.ts'
import { valueAnswered, withResolver } from './resolve.ts'
import type { KongFiles } from './straight.ts'

/** Our own credentials are not the program's. What Kong and Vault's clients read may be, and stays. */
const CREDENTIALS: ReadonlySet<string> = new Set([
  'EDGE_KEYRING_TOKEN',
  'EDGE_KEYRING_HEADERS',
  ...secretNames('node').filter((name) => name.startsWith('KEYRING')),
])
/** They decide which code runs: a secret has no business there. */
const LOADERS = /^(?:NODE_OPTIONS|PATH|(?:LD|DYLD)_.*)$/i

export async function exec(command: readonly string[], files: KongFiles): Promise<void> {
  const [program = '', ...words] = command
  const environment = await resolvedEnv(process.env, files)
  process.exitCode = await run(program, words, environment)
}

async function resolvedEnv(env: Env, files: KongFiles): Promise<Record<string, string>> {
  const kept = Object.entries(env).flatMap(([name, value = '']): [string, string][] =>
    CREDENTIALS.has(name) ? [] : [[name, value]],
  )
  // The list is a setting of ours, and no variable to fill.
  const wanted = kept.filter(([name, value]) => name !== REFERENCES && value.startsWith(REFERENCE))
  for (const [name] of wanted)
    if (LOADERS.test(name)) throw failed('ERR_USAGE', `A reference in ${name} would decide which code runs.`)
  const texts = wanted.map(([, text]) => text)
  const resolved = texts.length === 0 ? [] : await withResolver(files, (resolve) => resolve(texts))
  const values = wanted.map(([name], at): [string, string] => [
    name,
    settable(name, valueAnswered(resolved[at] ?? {}, name)),
  ])
  return { ...Object.fromEntries(kept), ...Object.fromEntries(values) }
}

function settable(name: string, value: string): string {
  if (!value.includes('\0')) return value
  throw new KeyringError(
    'ERR_SECRET_UNUSABLE',
    `The value for ${printable(name, 128)} has a NUL, which no variable can have.`,
  )
}

/** Signals for this process are the program's. In a terminal it has those of the keyboard by itself. */
const PASSED_ON = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGINT', 'SIGQUIT'] as const
const OF_KEYBOARD: ReadonlySet<string> = new Set(['SIGINT', 'SIGQUIT'])
/** As shells say it. */
const NOT_FOUND = 127
const NOT_RUN = 126

/** The exit status of the program; that of one that a signal ended is 128 and its number. */
function run(program: string, words: readonly string[], env: Record<string, string>): Promise<number> {
  const child = spawn(program, words, { env, stdio: 'inherit', shell: false })
  for (const signal of PASSED_ON)
    process.on(signal, () => {
      if (!(OF_KEYBOARD.has(signal) && process.stdin.isTTY)) child.kill(signal)
    })
  return new Promise((resolve) => {
    child.once('error', ({ code }: NodeJS.ErrnoException) => {
      console.error(`The program cannot be started (${code ?? 'for an unknown reason'}).`)
      resolve(code === 'ENOENT' ? NOT_FOUND : NOT_RUN)
    })
    child.once('close', (status, signal) => resolve(status ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  })
}
