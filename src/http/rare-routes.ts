/** The handlers of what is asked for rarely: where each start is paid for, they are loaded when they are needed. */
import type { Bytes } from '../core/bytes.ts'
import { concat, utf8 } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import { MAX_RECORD_BYTES } from '../core/limits.ts'
import type { KeyringChange, SyncNote, SyncReport } from '../core/operations.ts'
import type { StatusView } from '../keyring/status-view.ts'
import { bodyText, fieldsOf, readBody } from './body.ts'
import type { Call, RareHandlers } from './call.ts'
import { changeBody, doctorBody, importQuery, pushBody, rotateBody, syncBody } from './rare-schema.ts'
import { vaultHandlers } from './references.ts'
import type { Reply } from './reply.ts'
import { parseBody } from './schema.ts'

export const rareRoutes: RareHandlers = {
  vaults: vaultHandlers,
  keyring: {
    status,
    doctor: (call) => doctor(call, false),
    doctorWithLogin,
    sync,
    rotate,
    push,
    reseal,
    remove: change('remove'),
    compromise: change('compromise'),
    export: exportRecord,
    import: importRecord,
  },
}

/** Vaults are of all keyrings: whoever is limited to one hears nothing of them. */
async function status(call: Call): Promise<Reply> {
  const view = await call.keyring.status()
  const { overview } = call.vaults
  if (overview === null || !call.mayEverywhere('read')) return { body: writtenStatus(view) }
  const { needed, ...vaults } = await overview.status()
  return { body: writtenStatus({ ...view, ...vaults, needed: [...view.needed, ...needed] }) }
}

/** A refused login that is tried once more may count at Vault, which locks out after some. */
async function doctorWithLogin(call: Call): Promise<Reply> {
  const { login } = parseBody(doctorBody, await readBody(call.context))
  call.asks({ login })
  if (login) call.require('force')
  return doctor(call, login)
}

/** The status is 200 whatever was found, because the findings are the answer. */
async function doctor(call: Call, login: boolean): Promise<Reply> {
  const { keyring } = call
  const mayInsist = login && call.mayEverywhere('force')
  const [{ time, findings: checks }, vaults] = await Promise.all([
    keyring.diagnose({ login }),
    call.mayEverywhere('diagnose') ? (call.vaults.overview?.checks({ login: mayInsist }) ?? []) : [],
  ])
  const all = [...checks, ...vaults.flatMap((each) => each.checks)]
  const healthy = all.every(({ outcome }) => outcome !== 'failed')
  return {
    body: {
      keyring: keyring.name,
      time: new Date(time).toISOString(),
      healthy,
      checks,
      ...(vaults.length > 0 && { vaults }),
    },
  }
}

/** The keys may be a thousand, and are the same list as long as the record is: it is written once. */
const writtenKeys = new WeakMap<StatusView['keys'], Bytes>()

function writtenStatus({ keys, ...rest }: StatusView): Bytes {
  const written = writtenKeys.get(keys) ?? utf8(`{"keys":${JSON.stringify(keys)},`)
  writtenKeys.set(keys, written)
  return concat(written, utf8(JSON.stringify(rest).slice(1)))
}

async function sync(call: Call): Promise<Reply> {
  const { token, force, adopt } = parseBody(syncBody, await readBody(call.context))
  call.asks({ force, adopt, ownToken: token !== undefined })
  if (force || adopt) call.require('force')
  return synced(await call.keyring.sync({ force, adopt, token: token ?? null }))
}

function synced({ notes, remaining, changed, requests }: SyncReport): Reply {
  const headers = {
    'keyring-sync': `changed=?${changed ? 1 : 0}, requests=${requests}`,
    ...(notes.length > 0 && { 'keyring-notes': notesHeader(notes) }),
  }
  return remaining > 0 ? { status: 202, body: { remaining }, headers } : { status: 204, body: null, headers }
}

/** The audit log has what is begun before a version is delivered, and before somebody is told to write one. */
async function push(call: Call): Promise<Reply> {
  const { reads, mount_keeps: mountKeeps = null, ...push } = parseBody(pushBody, await readBody(call.context))
  const { force, adopt } = push
  call.asks({ force, adopt, delivers: reads !== undefined, rotates: mountKeeps !== null })
  if (force || adopt) call.require('force')
  if (reads !== undefined || mountKeeps !== null) await call.begin(null)
  return reads === undefined
    ? { body: await call.keyring.offer(push, mountKeeps) }
    : synced(await call.keyring.deliver(push, reads))
}

/** The id is not known before: the audit log has it from whoever writes. */
async function rotate(call: Call): Promise<Reply> {
  const { dry_run: dryRun } = parseBody(rotateBody, await readBody(call.context))
  if (!dryRun) await call.begin(null)
  const { rotated, version, active, left } = await call.keyring.rotate(dryRun)
  call.used(active)
  return { body: { rotated, version, active, rotations_left: left } }
}

/** It concerns what all keyrings share, and makes a record that is too old young again. */
async function reseal(call: Call): Promise<Reply> {
  parseBody({}, await readBody(call.context))
  call.asks({ reseal: true })
  await call.begin(null)
  const keys = await call.keyring.reseal()
  const done = keys.every(({ first, needed_by: by }) => first || by.length === 0)
  return { body: { keyring: call.keyring.name, done, wrapping_keys: keys } }
}

const MOST_NOTES = 20

/** The notes as a structured field list (RFC 9651): `id-collision;version=3;id="8zgITLQh"`. */
function notesHeader(notes: readonly SyncNote[]): string {
  const shown = notes
    .slice(0, MOST_NOTES)
    .map(({ code, version, id }) => `${code};version=${version}${id === null ? '' : `;id="${id}"`}`)
  return notes.length > MOST_NOTES ? [...shown, `more;count=${notes.length - MOST_NOTES}`].join(', ') : shown.join(', ')
}

function change(op: KeyringChange['op']): (call: Call) => Promise<Reply> {
  return async (call) => {
    const { key, id = key, force } = parseBody(changeBody, await readBody(call.context))
    if (id === undefined || (key !== undefined && key !== id))
      throw new KeyringError('ERR_REQUEST_INVALID', 'The body names no key, or two: send one "id".')
    call.asks({ force })
    if (force) call.require('force')
    await call.begin(id)
    await call.keyring.change({ op, id, force })
    return { status: 204, body: null }
  }
}

async function exportRecord(call: Call): Promise<Reply> {
  await call.begin(null)
  return { body: await call.keyring.export(), headers: { 'content-type': 'application/octet-stream' } }
}

/** Of all grants `admin` alone covers what it may do: add, remove and mark keys. */
async function importRecord(call: Call): Promise<Reply> {
  const { force } = parseBody(importQuery, fieldsOf(new URL(call.context.request.url).searchParams))
  call.asks({ import: true, force })
  if (force) call.require('force')
  const record = await bodyText(call.context, MAX_RECORD_BYTES)
  await call.begin(null)
  const { added, removed, active } = await call.keyring.import(record, force)
  return { body: { added, removed, active } }
}
