/**
 * KV version 1 as the source of a keyring. The engine has no versions, so versions are secrets named 1, 2, 3… below the path, each
 * with `{"id": …, "key": …}`; the highest number is current. A number is read once: it must never be used for another key.
 */
import { KeyringError } from '../../core/errors.ts'
import { KV1_INCARNATION, MOST_VERSION } from '../../core/limits.ts'
import type { Observation, PairRead, PairSource } from '../../core/ports.ts'
import type { KvParts } from './kv.ts'
import { askKv, expectBody, kvSource, lookAgain, readPair, refuseOtherKv } from './kv.ts'
import { splitPath } from '../wire/path.ts'
import { listReply, plainReply } from '../wire/schema.ts'

/** Nor does it say when something was written, or prune. */
const UNTOLD = { sourceMs: 0, keeps: 0 }

export const kv1Pairs = (parts: KvParts): PairSource => ({
  observe: (signal) => observe(parts, signal),
  read: (version, signal) => read(parts, version, signal),
})

export const kv1Source = (parts: KvParts) => kvSource('kv1', parts, kv1Pairs(parts))

const segmentsOf = ({ mount, path }: KvParts): string[] => [...splitPath(mount), ...splitPath(path)]

async function observe(parts: KvParts, signal: AbortSignal): Promise<Observation | null> {
  const reply = await askKv(parts, segmentsOf(parts), { list: 'true' }, signal, 1)
  const names = reply.status === 404 ? [] : expectBody(parts, listReply, reply.body).data.keys
  const present = names.filter((name) => /^\d+$/.test(name)).map((name) => versionOf(parts, name))
  return present.length === 0 ? refuseOtherLayout(parts, signal) : observation(new Set(present))
}

/** A version that is deleted here is gone for good, and leaves nothing: a number that is missing below the highest counts as destroyed. */
function observation(present: ReadonlySet<number>): Observation {
  const ascending = [...present].sort((a, b) => a - b)
  const versions = ascending.map((version) => ({ version, state: 'readable' as const, createdMs: null }))
  return { incarnation: KV1_INCARNATION, current: ascending.at(-1) ?? 0, versions, unlisted: 'destroyed', ...UNTOLD }
}

function versionOf(parts: KvParts, name: string): number {
  if (/^[1-9]\d{0,4}$/.test(name)) return Number(name)
  throw layout(
    parts,
    `has a secret whose name is a number, but none from 1 to ${MOST_VERSION.kv1} without leading zeros`,
  )
}

async function refuseOtherLayout(parts: KvParts, signal: AbortSignal): Promise<null> {
  await refuseOtherKv(parts, 1, signal)
  const reply = await lookAgain(parts, segmentsOf(parts), signal)
  if (reply?.status === 200) throw layout(parts, 'is one secret, without versions')
  return null
}

function layout({ mount, path }: KvParts, what: string): KeyringError {
  return new KeyringError('ERR_VAULT_KV_LAYOUT', `${mount}/${path} ${what}.`, {
    facts: { mount, path },
    remedy: `Write each version as a secret of its own with "id" and "key": ${mount}/${path}/1, then ${mount}/${path}/2 and so on; the highest number is the active key.`,
  })
}

async function read(parts: KvParts, version: number, signal: AbortSignal): Promise<PairRead> {
  const reply = await askKv(parts, [...segmentsOf(parts), String(version)], {}, signal)
  if (reply.status === 404) return { version, kind: 'gone' }
  return readPair(version, expectBody(parts, plainReply, reply.body).data, reply.serverTime)
}
