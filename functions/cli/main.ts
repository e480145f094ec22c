#!/usr/bin/env node
/** The command line. Each command is loaded when it is called. */
import { defineCommand, runMain } from 'citty'
import { VERSION } from '../node/screen.ts'

const main = defineCommand({
  meta: { name: 'edge-keyring', version: VERSION, description: "Your Vault's keys, usable also while Vault is down." },
  subCommands: {
    start: () => import('./start.ts').then(({ start }) => start),
    sync: () => import('./sync.ts').then(({ sync }) => sync),
    status: () => import('./status.ts').then(({ status }) => status),
    keys: () => import('./keys.ts').then(({ keys }) => keys),
    secrets: () => import('./secrets.ts').then(({ secrets }) => secrets),
  },
})

await runMain(main)
