/** `edge-keyring sync`: syncs batch after batch, until the source has nothing new. */
import type { KeyringClient, Synced } from './client.ts'
import type { Outcome } from './command.ts'
import { failed } from './failure.ts'

export async function sync(keyring: KeyringClient, flags: typeof PLAIN): Promise<Outcome> {
  const done = await syncAll(keyring, flags)
  return { document: done, screen: screen(done) }
}

const PLAIN = { force: false, adopt: false }

/** What the flags accept is accepted by the first batch. */
async function syncAll(keyring: KeyringClient, flags: typeof PLAIN): Promise<Synced> {
  let done = await keyring.sync(flags)
  while (done.remaining > 0) {
    console.error(`    ${counted(done.remaining, 'version')} still to read`)
    const next = await keyring.sync(PLAIN)
    if (next.remaining >= done.remaining)
      throw failed('ERR_SYNC_INCOMPLETE', `There are still ${counted(next.remaining, 'version')} to read.`)
    done = bothSynced(done, next)
  }
  return done
}

export const bothSynced = (a: Synced, b: Synced): Synced => ({
  changed: a.changed === null || b.changed === null ? null : a.changed || b.changed,
  requests: a.requests === null || b.requests === null ? null : a.requests + b.requests,
  remaining: b.remaining,
  notes: [...a.notes, ...b.notes],
})

function screen({ changed, requests, notes }: Synced): string {
  const what = changed === null ? 'synced' : changed ? 'changed' : 'nothing new'
  return `ok  ${what}${requests === null ? '' : `, ${counted(requests, 'request')} to Vault`}\n${noteLines(notes)}`
}

export const noteLines = (notes: Synced['notes']): string =>
  notes.map(({ code, version, id }) => `    version ${version}${id === null ? '' : ` (${id})`}: ${code}\n`).join('')

export const counted = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`
