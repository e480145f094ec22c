/** `edge-keyring remove` and `compromise`: what changes one key for good. */
import { command, keyringArgs, withKeyring } from './command.ts'

const args = (force: string) =>
  ({
    id: { type: 'positional', description: 'Id of the key.', required: true },
    ...keyringArgs,
    force: { type: 'boolean', description: force, default: false },
  }) as const

export const remove = command({
  meta: { name: 'remove', description: 'Forget a key for ever: what it encrypted cannot be decrypted any more.' },
  args: args('Do not wait until no instance can encrypt with it: values encrypted in between are lost.'),
  run: ({ args: { id, force, ...rest } }) =>
    withKeyring(rest, async (keyring) => {
      await keyring.change({ op: 'remove', id, force })
      return { document: { keyring: keyring.name, removed: id }, screen: `ok  removed ${id}\n` }
    }),
})

export const compromise = command({
  meta: { name: 'compromise', description: 'Mark a key: it decrypts, and never encrypts again.' },
  args: args('The active key too: encryption then waits for a new version.'),
  run: ({ args: { id, force, ...rest } }) =>
    withKeyring(rest, async (keyring) => {
      await keyring.change({ op: 'compromise', id, force })
      return { document: { keyring: keyring.name, compromised: id }, screen: `ok  compromised ${id}\n` }
    }),
})
