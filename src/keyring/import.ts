/**
 * A record that is brought back. An empty store takes it over as it is, the open intent of a rotation included: the first sync or
 * rotation settles that by the source, as after a crash. A store with a record takes in what it lacks and keeps what it has: keys come for
 * decryption only, apart from the numbers they had, until a sync has seen these at the source. What either side has removed or
 * marked stays so, by the rules of a removal and a compromise.
 */
import { utf8 } from '../core/bytes.ts'
import { KeyringError, settle, unwrap } from '../core/errors.ts'
import type { Facts, KeyringErrorCode } from '../core/errors.ts'
import { SYNC_ATTEMPTS } from '../core/limits.ts'
import type { ImportReport, KeyringChange } from '../core/operations.ts'
import type { SealerSet } from '../crypto/seal.ts'
import { openIntent } from './apply.ts'
import { applyChange, refuseActive } from './change.ts'
import type { Loaded } from './ledger.ts'
import { sameSource } from './plan.ts'
import type { KeyringRecord } from './record.ts'
import { recordName, reseal, verifyRecord } from './record.ts'
import type { ChangeParts } from './rewrite.ts'
import { boundOf } from './rewrite.ts'
import type { EncryptBound } from './stopped.ts'
import { believedStops, running, stopping } from './stopped.ts'

interface ImportParts extends ChangeParts {
  readonly sealers: SealerSet
}

/**
 * By compare-and-set: after a conflict it is decided again. One that brings nothing writes nothing.
 * @throws `ERR_RECORD_INVALID`, `ERR_WRAPPING_KEY_MISSING`, `ERR_WRAPPING_KEY_WRONG`, `ERR_SOURCE_CHANGED`, `ERR_SOURCE_RECREATED`,
 * `ERR_KEY_MISMATCH`, `ERR_KEY_ACTIVE`, `ERR_KEY_IN_USE`, `ERR_SYNC_CONTENDED`, and what the store throws.
 */
export async function importRecord(parts: ImportParts, text: string, force: boolean): Promise<ImportReport> {
  const { keyring, ledger, writer, sealers, clock, doubt } = parts
  const bytes = utf8(text)
  /** Nothing of a stranger's bytes is looked at before their MAC holds. */
  const given = await ofGiven(keyring, () => verifyRecord(sealers, keyring, bytes))
  const draft = await ofGiven(keyring, () => reseal(sealers, given))
  for (let attempt = 0; attempt < SYNC_ATTEMPTS; attempt += 1) {
    const loaded = await heldOr(parts, { ...given, bytes }, force)
    const before = loaded.record === given.record ? null : await ledger.draft(loaded)
    const now = clock.now()
    const next = before && mergeRecord(believedStops(before, now, doubt), draft, force, now, await boundOf(parts))
    const isSame = JSON.stringify(next) === JSON.stringify(loaded.record)
    const sealed = isSame ? loaded.bytes : await writer.save(loaded, next ?? draft)
    if (sealed !== 'conflict') return { ...difference(before, next ?? draft), sealed }
  }
  throw new KeyringError('ERR_SYNC_CONTENDED', `Others kept writing keyring "${keyring}".`)
}

/** What is wrong with the given record is none of the stored one, nor is a wrapping key that it needs. */
async function ofGiven<T>(keyring: string, work: () => Promise<T>): Promise<T> {
  const result = await settle(work)
  if (result.ok) return result.value
  const { code, facts, remedy } = result.error
  const refuse = (what: string, how = remedy) => refusal(code, { keyring, ...facts }, what, how)
  const id = `wrapping key "${facts['wrappingKey']}"`
  if (code === 'ERR_WRAPPING_KEY_MISSING') throw refuse(`needs the ${id}, which is not configured`)
  if (code === 'ERR_WRAPPING_KEY_WRONG') throw refuse(`was sealed under another key than the settings give as ${id}`)
  if (code === 'ERR_RECORD_INVALID')
    throw refuse('was altered, or is none of it', 'Give what "export" printed for this keyring, unaltered.')
  return unwrap(result)
}

/** What is stored. Where there is nothing, or by force what cannot be believed, the given record stands for it, at the store's version of that. */
async function heldOr(
  { ledger, store, keyring }: ImportParts,
  given: Omit<Loaded, 'version'>,
  force: boolean,
): Promise<Loaded> {
  // The version comes first: who has written since then makes it a conflict.
  const version = (await store.get(recordName(keyring)))?.version ?? 0
  const loaded = await settle(() => ledger.load())
  if (!loaded.ok && force && loaded.error.code === 'ERR_RECORD_INVALID') return { ...given, version }
  return unwrap(loaded) ?? { ...given, version }
}

export function mergeRecord(
  held: KeyringRecord,
  given: KeyringRecord,
  force: boolean,
  now: number,
  bound: EncryptBound,
): KeyringRecord {
  const other = otherSource(held, given)
  if (other !== null && !force)
    throw refusal(other, { keyring: held.keyring }, 'is of another source than the stored one', OF_ANOTHER)
  refuseOtherKeys(held, given)
  let next: KeyringRecord = { ...held, keys: [...held.keys, ...missingKeys(held, given, now)] }
  const change = (op: KeyringChange['op'], id: string) => {
    next = applyChange(next, { op, id, force }, now, bound)
  }
  const remember = ({ id, commit }: { readonly id: string; readonly commit: string }) => {
    next = { ...next, tombstones: [...next.tombstones, { id, commit }] }
  }
  for (const marked of [...held.keys, ...given.keys].filter(({ compromised }) => compromised)) {
    const holds = ({ commit }: { readonly commit: string }) => commit === marked.commit
    const unmarked = next.keys.find((entry) => holds(entry) && !entry.compromised)
    if (unmarked !== undefined) change('compromise', unmarked.id)
    // It has not come, because another key of its id was removed here: it counts as removed too, so that no version makes it active.
    else if (![...next.keys, ...next.tombstones].some(holds)) remember(marked)
  }
  for (const stone of given.tombstones) {
    if (next.keys.some(({ id }) => id === stone.id)) change('remove', stone.id)
    else if (!next.tombstones.some(({ id, commit }) => id === stone.id && commit === stone.commit)) {
      refuseActive(next, stone, 'remove')
      remember(stone)
    }
  }
  return other === null ? withIntent(next, given) : next
}

const OF_ANOTHER = 'If this is meant, send "force": what it has comes for decryption only.'

function otherSource(held: KeyringRecord, given: KeyringRecord): KeyringErrorCode | null {
  if (!sameSource(held.source, given.source)) return 'ERR_SOURCE_CHANGED'
  return held.incarnation === given.incarnation ? null : 'ERR_SOURCE_RECREATED'
}

function refuseOtherKeys(held: KeyringRecord, given: KeyringRecord): void {
  const commits = new Map(held.keys.map(({ id, commit }) => [id, commit]))
  const other = [...given.keys, ...given.tombstones].find(({ id, commit }) => (commits.get(id) ?? commit) !== commit)
  if (other === undefined) return
  const what = `has another key than the stored one under the id "${other.id}"`
  throw refusal(
    'ERR_KEY_MISMATCH',
    { keyring: held.keyring },
    what,
    'One keyring cannot hold both: import it into an empty store.',
  )
}

/** Some instance may use them as long as it has not heard of this record. */
function missingKeys(held: KeyringRecord, given: KeyringRecord, now: number) {
  const isRefused = ({ id, commit }: { readonly id: string; readonly commit: string }) =>
    held.keys.some((entry) => entry.id === id) ||
    held.tombstones.some((stone) => stone.id === id || stone.commit === commit)
  return given.keys
    .filter((entry) => !isRefused(entry))
    .map((entry) => stopping({ ...running(entry), inc: entry.inc ?? given.incarnation }, held, now))
}

/** A rotation that has begun elsewhere goes on here, unless one has begun here, or this one is known to be over. */
function withIntent(held: KeyringRecord, given: KeyringRecord): KeyringRecord {
  const intent = openIntent(given, { incarnation: held.incarnation, current: held.highest })
  const isOver = [...held.keys, ...held.tombstones].some(({ id }) => id === intent?.id)
  return held.intent || intent === undefined || isOver ? held : { ...held, intent }
}

function difference(before: KeyringRecord | null, { keys, active }: KeyringRecord) {
  const without = (of: KeyringRecord['keys'], others: KeyringRecord['keys']) =>
    of.filter((entry) => !others.some(({ id }) => id === entry.id)).map(({ id }) => id)
  const held = before?.keys ?? []
  return { added: without(keys, held), removed: without(held, keys), active }
}

function refusal(
  code: KeyringErrorCode,
  facts: Facts & { readonly keyring: string },
  what: string,
  remedy: string,
): KeyringError {
  const message = `The record given for keyring "${facts.keyring}" ${what}; nothing was written.`
  return new KeyringError(code, message, { facts, remedy })
}
