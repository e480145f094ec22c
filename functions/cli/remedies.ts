/** What to do, in the words of the command line: the keyring's answers are written for those who call it over HTTP. */
import type { KeyringErrorCode } from '../../src/core/errors.ts'

/** What has to be typed here; without npx there may be no such command. */
export const ME = process.env['npm_command'] === 'exec' ? 'npx edge-keyring' : 'edge-keyring'

/** A command with the flag that names its keyring, where it is not the default one. */
export const commandLine = (command: string, keyring: string): string =>
  `${ME} ${command}${keyring === 'default' ? '' : ` --keyring ${keyring}`}`

const OTHER_RELEASE =
  'Check the path in EDGE_KEYRING_URL, and use the command line of the release that is deployed there.'

/** The command line makes the requests: who typed it cannot mend them. */
const OF_REQUESTS: Readonly<Partial<Record<KeyringErrorCode, string>>> = {
  ERR_ROUTE_NOT_FOUND: OTHER_RELEASE,
  ERR_METHOD_NOT_ALLOWED: OTHER_RELEASE,
  ERR_MEDIA_TYPE: OTHER_RELEASE,
  ERR_BODY_MALFORMED: OTHER_RELEASE,
  ERR_TEXT_INVALID: OTHER_RELEASE,
}

export const remedyOf = (code: string, remedy: string): string => OF_REQUESTS[code as KeyringErrorCode] ?? remedy

let typed = '<command>'

/** Help is for the command that was typed. @param command '' = none was. */
export function sayTyped(command: string): void {
  if (command !== '' && command !== 'help') typed = command
}

/** Says what `remedies` of src say with fields and paths. They come from a deployment too, which may be of another release. */
export const inWords = (remedy: string, keyring: string): string => {
  const [command = 'sync'] = /\bpush(?= with \{)/.exec(remedy) ?? []
  const sync = (flag = '') => `"${commandLine(command, keyring)}${flag && ` --${flag}`}"`
  return remedy
    .replace('help <command>', `help ${typed}`)
    .replace(/edge-keyring sync --keyring [\w.~-]+, or POST \/keyrings\/[\w.~-]+\/sync/, () => sync())
    .replace(/(?:sync|push) with \{"(\w+)": true\}/, (_text, flag: string) => `run ${sync(flag)}`)
    .replace(/ or \{"(\w+)": true\}/, (_text, flag: string) => ` or ${sync(flag)}`)
    .replace(/POST \/keyrings\/[\w.~-]+\/sync/, () => sync())
    .replace(/send "force"/, 'give --force')
    .replace(/"force"/, '--force')
}
