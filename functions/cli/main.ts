#!/usr/bin/env node
/** The command line: every command with its words and its flags. What a command does is loaded when it is called. */
import { Argument, Command, CommanderError, Option } from '@commander-js/extra-typings'
import type { CommandUnknownOpts } from '@commander-js/extra-typings'
import { VERSION } from '../node/screen.ts'
import type { KeyringClient } from './client.ts'
import type { Outcome } from './command.ts'
import { report, reporting, withKeyring } from './command.ts'
import { failed } from './failure.ts'
import { surviveStderr, untilStdoutCloses } from './pipes.ts'
import { sayTyped } from './remedies.ts'
import type { Target } from './target.ts'
import { refuseEmpty, usageFailure, valued } from './words.ts'

const program = new Command('edge-keyring')
  .description("Your Vault's keys, usable also while Vault is down.")
  .exitOverride()
  .configureOutput({ writeErr: () => {} })
  .configureHelp({
    optionTerm: ({ flags }) => flags.replace('[', '<').replace(']', '>'),
    optionDescription: ({ description }) => description,
  })
  .helpCommand(false)
  .helpOption('-h, --help', 'Show the words and flags of a command.')
  .version(VERSION, '-v, --version', 'Show the version.')
  .addOption(json())
  .hook('preAction', (_program, called) => {
    const isHere = called.options.some(({ long }) => long === '--json')
    if (isJson() && !isHere) throw usageFailure("unknown option '--json'", 'commander.unknownOption')
  })

/** Each command shows the flag; the program reads it, wherever it stands. */
function json() {
  return new Option('--json', 'Print JSON, for machines.')
}
const isJson = (): boolean => program.opts().json === true

const ofKeyring = () =>
  valued('keyring', 'name', 'Name of the keyring ("default" where it is not given).').default('default')

const onKeyring = (name: string, description: string) =>
  program.command(name).description(description).addOption(json()).addOption(ofKeyring())

const act = (
  { keyring }: { readonly keyring: string },
  work: (keyring: KeyringClient, target: Target) => Promise<Outcome>,
) => withKeyring({ json: isJson(), keyring }, work)

const bound = () => valued('context', 'text', 'What the value is bound to; to decrypt it must be the same.')

const conf = () => valued('conf', 'path', "Kong's kong.conf; what the settings say wins.")
const deck = () => valued('deck', 'path', 'A file of decK, whose vaults are for references.')

program
  .command('start')
  .description('Serve the keyring here (with a dev Vault when none is configured).')
  .option('--fresh', 'Begin anew: forget .edge-keyring/.')
  .addOption(conf())
  .addOption(deck())
  .action(async ({ fresh = false, conf = '', deck = '' }) => (await import('./start.ts')).start({ fresh, conf, deck }))

onKeyring('sync', 'Read the keyring from Vault, until nothing new remains.')
  .option('--force', 'Accept a secret that was made anew, or an older current version.')
  .option('--adopt', 'Accept another source; earlier keys stay, for decryption only.')
  .action(({ force = false, adopt = false, ...rest }) =>
    act(rest, async (keyring) => (await import('./sync.ts')).sync(keyring, { force, adopt })),
  )

onKeyring('status', 'What there is, what is wrong since when, what is needed now.')
  .option('--check', 'End with exit status 1 if something is needed now, for a monitor.')
  .action(({ check = false, ...rest }) =>
    act(rest, async (keyring) => (await import('./status.ts')).status(keyring, check)),
  )

onKeyring('doctor', 'Look at the way to Vault, step by step, and say what to do.')
  .option('--login', 'Try a login that was refused once more.')
  .action(({ login = false, ...rest }) =>
    act(rest, async (keyring) => (await import('./doctor.ts')).doctor(keyring, login)),
  )

onKeyring('login', 'Log in to Vault, or use the login there is, and say who you are. Never the token.').action(
  (flags) => act(flags, async (keyring) => (await import('./doctor.ts')).login(keyring)),
)

onKeyring('keys', 'List the keys, never their material.').action((flags) =>
  act(flags, async (keyring) => (await import('./keys.ts')).keys(keyring)),
)

onKeyring('encrypt', 'Encrypt the argument, or standard input.')
  .argument('[plaintext]', 'Text to encrypt; it shows in lists of processes.')
  .addOption(bound())
  .action((plaintext, { context = '', ...rest }) =>
    act(rest, async (keyring) => (await import('./encrypt.ts')).encrypt(keyring, plaintext, context)),
  )

onKeyring('decrypt', 'Decrypt the argument, or the value on standard input.')
  .argument('[ciphertext]', 'What encrypt has printed.')
  .addOption(bound())
  .action((ciphertext, { context = '', ...rest }) =>
    act(rest, async (keyring) => (await import('./decrypt.ts')).decrypt(keyring, ciphertext, context)),
  )

onKeyring('rewrap', 'Encrypt the values in a file anew with the active key, and write them beside the old ones.')
  .argument('<input>', 'File in CSV (.csv) or NDJSON (.ndjson, .jsonl).')
  .argument('[output]', 'File to write; with the same words, a run that was ended goes on where it was.')
  .addOption(valued('columns', 'names', 'Columns that have values, separated by commas.'))
  .addOption(bound().conflicts('contextColumn'))
  .addOption(valued('context-column', 'name', 'Column that has what the values of its row are bound to.'))
  .addOption(
    valued('table', 'name', 'The values are fields of this table, of rows where --context-column is given.').conflicts(
      'context',
    ),
  )
  .option('--count', 'Only count the values of each key. No keyring is asked.')
  .action(
    async (
      input,
      output,
      { columns = '', context = '', contextColumn = null, table = null, count = false, ...rest },
    ) => {
      const words = { input, output, columns: columns.split(','), context, contextColumn, table }
      const load = () => import('./rewrap.ts')
      if (count) await reporting(isJson(), async () => (await load()).countByKey(words))
      else await act(rest, async (keyring, target) => (await load()).rewrap(words, keyring, target))
    },
  )

onKeyring('rotate', 'Write a new key to Vault, which is active from then on.')
  .option('--dry-run', 'Look whether it could be, and write nothing.')
  .action(({ dryRun = false, ...rest }) =>
    act(rest, async (keyring) => (await import('./rotate.ts')).rotate(keyring, dryRun)),
  )

onKeyring('push', 'Read the keyring from Vault here, and hand over what the deployment lacks.')
  .option('--rotate', 'Write a new key to Vault when one is due (KEYRING_ROTATION there; else at once).')
  .option('--force', 'Accept a secret that was made anew, or an older current version.')
  .option('--adopt', 'Accept another source; earlier keys stay, for decryption only.')
  .action(({ rotate = false, force = false, adopt = false, ...rest }) =>
    act(rest, async (keyring) => (await import('./push.ts')).push(keyring, process.env, rotate, { force, adopt })),
  )

onKeyring(
  'reseal',
  'Seal what is stored anew under the first wrapping key, and say which key is needed by what.',
).action((flags) => act(flags, async (keyring) => (await import('./reseal.ts')).resealKeyring(keyring)))

onKeyring('remove', 'Forget a key for ever: what it encrypted cannot be decrypted any more.')
  .argument('<id>', 'Id of the key.')
  .option('--force', 'Do not wait until no instance can encrypt with it: values encrypted in between are lost.')
  .action((id, { force = false, ...rest }) =>
    act(rest, async (keyring) => (await import('./change.ts')).remove(keyring, id, force)),
  )

onKeyring('compromise', 'Mark a key: it decrypts, and never encrypts again.')
  .argument('<id>', 'Id of the key.')
  .option('--force', 'The active key too: encryption then waits for a new version.')
  .action((id, { force = false, ...rest }) =>
    act(rest, async (keyring) => (await import('./change.ts')).compromise(keyring, id, force)),
  )

onKeyring('export', 'Print the sealed record, as it is stored.').action((flags) =>
  act(flags, async (keyring) => (await import('./carry.ts')).printRecord(keyring)),
)

onKeyring('import', 'Bring back what export has printed: into an empty store, or the keys that this one lacks.')
  .argument('[file]', 'File of the record; standard input where it is not given, or "-".')
  .option('--force', 'Take it from another source, too; replace a record that cannot be read.')
  .action((file = '-', { force = false, ...rest }) =>
    act(rest, async (keyring) => (await import('./carry.ts')).bringBack(keyring, file, force)),
  )

program
  .command('check')
  .description('Check the settings of a deployment before there is one.')
  .addOption(json())
  .addOption(valued('platform', 'name', 'node, workers or lambda ("node" where it is not given).').default('node'))
  .addOption(valued('file', 'path', 'A file with the settings, in place of the environment.'))
  .addOption(conf())
  .addOption(deck())
  .action(({ platform, file = '', conf = '', deck = '' }) =>
    reporting(isJson(), async () => (await import('./check.ts')).checkPlatform(platform, { file, conf, deck })),
  )

program
  .command('vault')
  .description('Resolve references to secrets.')
  .helpCommand(false)
  .command('get')
  .description('Print the value of a reference, and nothing behind it.')
  .argument('<reference>', 'Such as {vault://hcv/password/pass1}; the braces may be left out.')
  .addOption(json())
  .addOption(conf())
  .addOption(deck())
  .option('--refresh', 'Ask the vault anew, by the grant refresh.')
  .action((reference, { conf = '', deck = '', refresh = false }) =>
    reporting(isJson(), async () => (await import('./vault.ts')).get(reference, { conf, deck }, refresh)),
  )

program
  .command('exec')
  .description('Run a program with the values of the references in its environment, or not at all.')
  .argument('<program...>', 'Program and its words, behind --.')
  .addOption(conf())
  .addOption(deck())
  .action(async (command, { conf = '', deck = '' }) => {
    try {
      await (await import('./exec.ts')).exec(command, { conf, deck })
    } catch (error) {
      report(false, error)
    }
  })

program
  .command('kong')
  .description('Leave Kong: read what its keyring has encrypted.')
  .helpCommand(false)
  .command('decrypt')
  .description('Decrypt values $ke$1$ in NDJSON on standard input, offline.')
  .addOption(
    valued('keys', 'path', 'A file of lines {"id", "key", "form"}; form: raw, or sha256 (never tried on a real Kong).'),
  )
  .action(async ({ keys = '' }) => {
    try {
      if (keys === '') throw failed('ERR_USAGE', 'The flag --keys is missing.')
      process.exitCode = await (await import('./kong.ts')).decryptKong(keys, process.stdin, process.stdout)
    } catch (error) {
      report(false, error)
    }
  })

const secrets = program.command('secrets').description('Make secrets for a deployment.').helpCommand(false)
secrets
  .command('new')
  .description('Print two settings, and on standard error the API token that they let in.')
  .addOption(json())
  .action(() => reporting(isJson(), async () => (await import('./secrets.ts')).create(isJson())))
secrets
  .command('derive')
  .description(
    'Print KEYRING_WRAPPING_KEYS for a function that uses this keyring alone, from those in the environment.',
  )
  .addOption(json())
  .addOption(ofKeyring())
  .addOption(
    valued('references', 'prefix', 'Of what the references to this vault gave instead, alone.').conflicts('keyring'),
  )
  .action(({ keyring, references }) =>
    reporting(isJson(), async () => (await import('./secrets.ts')).derive(keyring, references)),
  )

program
  .command('init')
  .description('Write a repository of your own that deploys the package, and say what to type next.')
  .argument('<platform>', 'cloudflare, lambda or container.')
  .addOption(json())
  .addOption(valued('dir', 'path', 'Folder to write to (this one where it is not given).'))
  .action((platform, { dir = '' }) => reporting(isJson(), async () => (await import('./init.ts')).init(platform, dir)))

program
  .command('policy')
  .description('Print the least Vault policy for the settings in the environment.')
  .option('--rotate', 'Print what rotations need, beside what a sync does.')
  .addOption(json())
  .addOption(
    valued('references', 'prefix', 'Of the login of this vault for references instead, alone.').conflicts('rotate'),
  )
  .action(({ rotate = false, references }) =>
    reporting(isJson(), async () => (await import('./policy.ts')).policy(process.env, rotate, references)),
  )

program
  .command('completion')
  .description('Print what a shell needs to complete commands and flags (docs/cli.md).')
  .addArgument(new Argument('<shell>', 'Shell to complete in.').choices(['bash', 'zsh', 'fish']))
  .action(async (shell) => (await import('./completion.ts')).completion(shell, program.name()))

program
  .command('version')
  .description('Show the version.')
  .addOption(json())
  .action(() => reporting(isJson(), async () => ({ document: { version: VERSION }, screen: `${VERSION}\n` })))

program
  .command('help')
  .description('Show the commands, or the words and flags of one.')
  .argument('[command...]', 'Name of the command.')
  .addOption(json())
  .action(async (names) => {
    const command = await named(program, names)
    await reporting(isJson(), async () => (await import('./help.ts')).helpOn(command))
  })

/** A name that a group does not have is refused by the group itself, which knows the nearest one; it forgets the flags meanwhile. */
async function named(command: CommandUnknownOpts, [name, ...names]: readonly string[]): Promise<CommandUnknownOpts> {
  if (name === undefined || command.commands.length === 0) return command
  const found = command.commands.find((each) => each.name() === name)
  if (found === undefined) await command.parseAsync(isJson() ? [name, '--json'] : [name], { from: 'user' })
  return found === undefined ? command : named(found, names)
}

/** The names of the command in what was typed, '' = none. */
function typedCommand(from: CommandUnknownOpts, words: readonly string[]): string {
  const [first = '', ...rest] = words.filter((word) => !word.startsWith('-'))
  const command = from.commands.find((each) => each.name() === first)
  return command === undefined ? '' : [first, typedCommand(command, rest)].join(' ').trim()
}

/** What stands behind -- of a program is the program's. */
function ownWords(words: readonly string[]): readonly string[] {
  const end = words.indexOf('--')
  return words[0] === 'exec' && end > 0 ? words.slice(0, end) : words
}

async function run(words: readonly string[]): Promise<void> {
  try {
    if (words[0] === 'complete') await complete()
    else refuseEmpty(ownWords(words))
    sayTyped(typedCommand(program, words))
    await program.parseAsync(words.length === 0 ? ['--help'] : words, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) report(isJson(), error)
    else if (error.exitCode !== 0) report(isJson(), usageFailure(error.message, error.code))
  }
}

/** What the shell asks for each time that somebody presses the key: the library answers it from the definitions above. */
async function complete(): Promise<void> {
  const { default: tab } = await import('@bomb.sh/tab/commander')
  // It is commander's own object, with stricter types.
  tab(program as object as Parameters<typeof tab>[0]).commands.delete('complete')
}

surviveStderr()
untilStdoutCloses()
await run(process.argv.slice(2))
