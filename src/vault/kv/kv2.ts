/** KV version 2 as the source of a keyring: every version of one secret holds `{"id": …, "key": …}`. */
import * as z from 'zod/mini'
import { KeyringError } from '../../core/errors.ts'
import type { Observation, PairRead, PairSource } from '../../core/ports.ts'
import type { KvParts } from './kv.ts'
import { askKv, expectBody, invalid, kvSource, readPair, refuseOtherKv } from './kv.ts'
import { isOutage } from '../wire/outages.ts'
import { splitPath } from '../wire/path.ts'
import { dataReply, goneReply, metadataReply } from '../wire/schema.ts'

export const kv2Pairs = (parts: KvParts): PairSource => ({
  observe: (signal) => unlessCopied(parts, observe(parts, signal)),
  read: (version, signal) => read(parts, version, signal),
})

export const kv2Source = (parts: KvParts) => kvSource('kv2', parts, kv2Pairs(parts))

export const segmentsOf = ({ mount, path }: KvParts, endpoint: 'data' | 'metadata'): string[] => [
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
