#!/usr/bin/env node
/** The command line. Each command is loaded when it is called. */
import { stripVTControlCharacters } from 'node:util'
import { defineCommand, runCommand, runMain } from 'citty'
import { VERSION } from '../node/screen.ts'
import { report } from './command.ts'
import { failed } from './failure.ts'

const main = defineCommand({
  meta: { name: 'edge-keyring', version: VERSION, description: "Your Vault's keys, usable also while Vault is down." },
  subCommands: {
    start: () => import('./start.ts').then(({ start }) => start),
    sync: () => import('./sync.ts').then(({ sync }) => sync),
    check: () => import('./check.ts').then(({ checkCommand }) => checkCommand),
    status: () => import('./status.ts').then(({ status }) => status),
    doctor: () => import('./doctor.ts').then(({ doctor }) => doctor),
    login: () => import('./doctor.ts').then(({ login }) => login),
    keys: () => import('./keys.ts').then(({ keys }) => keys),
    encrypt: () => import('./encrypt.ts').then(({ encrypt }) => encrypt),
    decrypt: () => import('./decrypt.ts').then(({ decrypt }) => decrypt),
    remove: () => import('./change.ts').then(({ remove }) => remove),
    compromise: () => import('./change.ts').then(({ compromise }) => compromise),
    secrets: () => import('./secrets.ts').then(({ secrets }) => secrets),
  },
})

const words = process.argv.slice(2)
const flags = words.includes('--') ? words.slice(0, words.indexOf('--')) : words
const asksHelp = words.length === 0 || flags.some((flag) => ['--help', '-h', '--version', '-v'].includes(flag))

/** The text goes out without the colours of citty, which come in pipes too. */
const sentence = (text: string): string => `${stripVTControlCharacters(text).replace(/\.$/, '')}.`

if (asksHelp) await runMain(main, { rawArgs: words.length === 0 ? ['--help'] : words })
else
  await runCommand(main, { rawArgs: words }).catch((error: unknown) => {
    const isUsage = error instanceof Error && error.name === 'CLIError'
    report(flags.includes('--json'), isUsage ? failed('ERR_USAGE', sentence(error.message)) : error)
  })
