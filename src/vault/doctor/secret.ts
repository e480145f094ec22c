/** The doctor's look at the secret itself: is its current version a key, and when will versions be lost? */
import * as z from 'zod/mini'
import { KeyringError } from '../../core/errors.ts'
import type { Finding, Refuses } from '../../core/findings.ts'
import type { VersionRead } from '../../core/ports.ts'
import { splitPath } from '../wire/path.ts'
import { count, fields } from '../wire/schema.ts'
import type { DoctorParts } from './parts.ts'
import { asFailed, failedCheck, isFinding, ok, unseen, warning } from './finding.ts'

export async function lookAtSecret({ source, refuses }: DoctorParts, signal: AbortSignal): Promise<readonly Finding[]> {
  const seen = await source.observe(signal).catch(asFailed('secret'))
  if (isFinding(seen)) return [seen]
  const { mount, path } = source.id
  if (seen === null)
    return [failedCheck('secret', new KeyringError('ERR_SOURCE_NOT_FOUND', `There is no secret at ${mount}/${path}.`))]
  if (seen.current === 0)
    return [failedCheck('secret', new KeyringError('ERR_ACTIVE_UNUSABLE', `${mount}/${path} has no version yet.`))]
  const read = await source.read(seen.current, signal).catch(asFailed('secret'))
  return [isFinding(read) ? read : describe(read, refuses)]
}

const WHY: Readonly<Record<string, string>> = {
  'no-id': 'has no "id"',
  'bad-id': 'has an "id" that is not 1 to 64 letters, digits, ".", "_", "~" or "-"',
  'no-key': 'has no "key"',
  'key-not-string': 'has a "key" that is no string',
  deleted: 'is deleted',
  destroyed: 'is destroyed',
  gone: 'is gone',
}

function describe(read: VersionRead, refuses: Refuses): Finding {
  const version = `Version ${read.version}, the current one,`
  const why =
    read.kind === 'key'
      ? refuses(read.id, read.material.commitment)
      : (WHY[read.kind === 'malformed' ? read.why : read.kind] ?? 'cannot be used')
  if (why !== null || read.kind !== 'key')
    return failedCheck('secret', new KeyringError('ERR_ACTIVE_UNUSABLE', `${version} ${why}.`))
  const detail = `${version} is the key "${read.id}".`
  if (!read.material.weak) return ok('secret', detail)
  return warning(
    'secret',
    `${detail} It is weak or published.`,
    'Write a version with a random key of 32 bytes: openssl rand -base64 32.',
  )
}

const LIMIT = { max_versions: z._default(count, 0) }
const metadataReply = z.object({ data: z.object({ ...LIMIT, versions: fields }) })
const configReply = z.object({ data: z.object(LIMIT) })

/** KV version 2 keeps the larger of two limits, or 10 versions if both are 0, and destroys the oldest without a word. */
const KEPT = 10

export async function lookAtVersions(
  { reader, source }: DoctorParts,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { kind, mount, path } = source.id
  if (kind !== 'kv2') return [ok('versions', 'KV version 1 prunes nothing by itself.')]
  const ask = (...segments: string[]) => reader.probe({ segments, signal }).catch(asFailed('versions'))
  const metadata = await ask(...splitPath(mount), 'metadata', ...splitPath(path))
  const parsed = isFinding(metadata) ? null : z.safeParse(metadataReply, metadata.body)
  if (!parsed?.success) return [unseen('versions', 'The metadata of the secret cannot be read.')]
  const config = await ask(...splitPath(mount), 'config')
  const ofMount = isFinding(config) ? undefined : z.safeParse(configReply, config.body).data?.data.max_versions
  const limit = Math.max(parsed.data.data.max_versions, ofMount ?? 0) || KEPT
  return [roomFor(Object.keys(parsed.data.data.versions).length, limit, ofMount === undefined)]
}

function roomFor(held: number, limit: number, isGuess: boolean): Finding {
  const left = Math.max(0, limit - held)
  const detail = `${held} of ${limit} versions are there; ${left} more fit before the oldest is destroyed.`
  const guess = isGuess ? ' (The limit of the mount cannot be seen.)' : ''
  const facts = { versions: held, limit, left }
  if (left > 1) return ok('versions', detail + guess, facts)
  return warning(
    'versions',
    detail + guess,
    'Sync before each new version; what the keyring holds stays. To keep more at Vault, raise max_versions of the secret.',
    facts,
  )
}
