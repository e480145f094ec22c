import { defineCommand } from 'citty'
import { jsonArg, withKeyring } from './local-store.ts'

export const sync = defineCommand({
  meta: { name: 'sync', description: 'Read the keyring from Vault into the store.' },
  args: {
    ...jsonArg,
    force: {
      type: 'boolean',
      description: 'Accept a secret that was made anew, or an older current version.',
      default: false,
    },
    adopt: {
      type: 'boolean',
      description: 'Accept another source; earlier keys stay, for decryption only.',
      default: false,
    },
  },
  run: ({ args }) =>
    withKeyring(args.json, async (keyring) => {
      const { changed, remaining, requests, notes } = await keyring.sync({
        force: args.force,
        adopt: args.adopt,
        token: null,
      })
      if (args.json) return console.log(JSON.stringify({ changed, remaining, requests, notes }))
      console.log(
        `ok  ${changed ? 'changed' : 'nothing new'}, ${requests} ${requests === 1 ? 'request' : 'requests'} to Vault${remaining > 0 ? `, ${remaining} versions still to read: sync again` : ''}`,
      )
      for (const { code, version, id } of notes)
        console.log(`    version ${version}${id === null ? '' : ` (${id})`}: ${code}`)
    }),
})
