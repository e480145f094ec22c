/** KV version 2 as the source of a keyring: every version of one secret holds `{"id": …, "key": …}`. */
import * as z from 'zod/mini'
import { KeyringError } from '../../core/errors.ts'
import type { KeyPair, KeySink, Observation, PairRead, PairSource } from '../../core/ports.ts'
import type { KvParts } from './kv.ts'
import {
  askKv,
  capabilitiesOf,
  expectBody,
  invalid,
  kvSource,
  notAllowed,
  readPair,
  refuseOtherKv,
  writeKv,
} from './kv.ts'
import { placeOf } from '../../core/printable.ts'
import { isOutage } from '../wire/outages.ts'
import { splitPath } from '../wire/path.ts'
import { dataReply, goneReply, metadataReply, mountConfigReply, writtenReply } from '../wire/schema.ts'

export const kv2Pairs = (parts: KvParts): PairSource => ({
  observe: (signal) => unlessCopied(parts, observe(parts, signal)),
  read: (version, signal) => read(parts, version, signal),
})

export const kv2Source = (parts: KvParts) => kvSource('kv2', parts, kv2Pairs(parts))

export const kv2Sink = (parts: KvParts): KeySink => ({
  async keeps(signal) {
    const reply = await askKv(parts, [...splitPath(parts.mount), 'config'], {}, signal)
    return expectBody(parts, mountConfigReply, reply.body).data.max_versions
  },
  mayWrite: (signal) => refuseUnwritable(parts, signal),
  write: (pair, expected, signal) => write(parts, pair, expected, signal),
})

async function refuseUnwritable(parts: KvParts, signal: AbortSignal): Promise<void> {
  const { reader, address } = parts
  const path = segmentsOf(parts, 'data').join('/')
  const question = { segments: ['sys', 'capabilities-self'], body: { paths: [path] }, signal }
  const reply = await reader.post(question).catch((error: unknown) => {
    if (error instanceof KeyringError && error.code === 'ERR_VAULT_DENIED') return null
    throw error
  })
  const can = capabilitiesOf(reply?.body, path)
  if (can.size === 0 || can.has('update') || can.has('root')) return
  throw notAllowed(
    { code: 'ERR_VAULT_DENIED', facts: { host: placeOf(address), denied: 'policy' } },
    path,
    'update',
    'Add',
  )
}

/** Of a version that is deleted the number counts too; 0 would be right only for a secret that is not there. */
async function write(parts: KvParts, { id, key }: KeyPair, expected: number, signal: AbortSignal) {
  const body = { options: { cas: expected }, data: { id, key: key.reveal() } }
  const reply = await writeKv(parts, segmentsOf(parts, 'data'), body, signal)
  if (reply === 'conflict') return reply
  const { data } = expectBody(parts, writtenReply, reply.body)
  if (data.version !== expected + 1) throw invalid(parts, 'data.version')
  return { createdMs: Date.parse(data.created_time) }
}

const segmentsOf = ({ mount, path }: KvParts, endpoint: 'data' | 'metadata'): string[] => [
  ...splitPath(mount),
  endpoint,
  ...splitPath(path),
]

/** People copy the `data/` of the API or of a policy into mount or path, where it may also belong: only a failure tells. */
function unlessCopied({ mount, path }: KvParts, observed: Promise<Observation | null>) {
  const plainMount = mount.replace(/\/(meta)?data$/, '')
  const below = path.startsWith(`${plainMount}/`) ? path.slice(plainMount.length + 1) : path
  const plainPath = below.replace(/^(meta)?data\//, '')
  if (plainMount === mount && plainPath === path) return observed
  const none = new KeyringError('ERR_SOURCE_NOT_FOUND', `There is no secret at ${mount}/${path}.`)
  return observed
    .then((found) => found ?? Promise.reject(none))
    .catch((error: unknown) => {
      if (!(error instanceof KeyringError) || isOutage(error.code) || error.facts['denied'] === 'token') throw error
      const remedy = `Write "${plainMount}" as mount and "${plainPath}" as path, without data/ or metadata/. ${error.remedy}`
      throw new KeyringError(error.code, error.message, { facts: error.facts, remedy })
    })
}

async function observe(parts: KvParts, signal: AbortSignal): Promise<Observation | null> {
  const reply = await askKv(parts, segmentsOf(parts, 'metadata'), {}, signal, 2)
  if (reply.status === 404) {
    await refuseOtherKv(parts, 2, signal)
    return null
  }
  const { data } = expectBody(parts, metadataReply, reply.body)
  const versions = Object.entries(data.versions).map(
    ([version, { destroyed, deletion_time, created_time: created }]) => {
      return {
        version: Number(version),
        createdMs: created === undefined ? null : Date.parse(created),
        state: destroyed
          ? ('destroyed' as const)
          : isPast(deletion_time, reply.serverTime)
            ? ('deleted' as const)
            : ('readable' as const),
      }
    },
  )
  versions.sort((a, b) => a.version - b.version)
  // The current version is listed whatever became of it, and there is none above.
  if (data.current_version !== (versions.at(-1)?.version ?? 0)) throw invalid(parts, 'data.current_version')
  return {
    incarnation: data.created_time,
    current: data.current_version,
    versions,
    unlisted: 'unknown',
    currentCreatedMs: versions.at(-1)?.createdMs ?? null,
    sourceMs: reply.serverTime,
    keeps: data.max_versions ?? 0,
  }
}

/** `delete_version_after` sets a time in the future: the version is readable until then. */
const isPast = (time: string, now: number): boolean => time !== '' && Date.parse(time) <= now

async function read(parts: KvParts, version: number, signal: AbortSignal): Promise<PairRead> {
  const reply = await askKv(parts, segmentsOf(parts, 'data'), { version }, signal)
  if (reply.status === 404) {
    const gone = z.safeParse(goneReply, reply.body)
    return { version, kind: !gone.success ? 'gone' : gone.data.data.metadata.destroyed ? 'destroyed' : 'deleted' }
  }
  const { data } = expectBody(parts, dataReply, reply.body)
  if (data.metadata.version !== version) throw invalid(parts, 'data.metadata.version')
  return readPair(version, data.data, Date.parse(data.metadata.created_time))
}
