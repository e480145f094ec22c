/** KV version 2 as the source of a keyring: every version of one secret holds `{"id": …, "key": …}`. */
import * as z from 'zod/mini'
import { KeyringError } from '../core/errors.ts'
import { KEY_ID } from '../core/limits.ts'
import type { Cipher, Hash, KeySource, Malformed, Observation, SourceId, VersionRead } from '../core/ports.ts'
import { materialFromString } from '../crypto/material.ts'
import type { Login } from './login/token.ts'
import { splitPath } from './path.ts'
import { dataReply, goneReply, metadataReply, mountReply } from './schema.ts'
import type { VaultReply, VaultTransport } from './transport.ts'

export interface Kv2Parts extends Omit<SourceId, 'kind'> {
  readonly transport: VaultTransport
  readonly login: Login
  readonly cipher: Cipher
  readonly hash: Hash
}

export function kv2Source(parts: Kv2Parts): KeySource {
  const { address, namespace, mount, path } = parts
  return {
    id: { kind: 'kv2', address, namespace, mount, path },
    observe: (signal) => observe(parts, signal),
    read: (version, signal) => read(parts, version, signal),
  }
}

async function observe(parts: Kv2Parts, signal: AbortSignal): Promise<Observation | null> {
  const reply = await ask(parts, 'metadata', {}, signal)
  if (reply.status === 404) return refuseOtherKv(parts, signal)
  const { data } = expectBody(parts, metadataReply, reply.body)
  const versions = Object.entries(data.versions).map(([version, { destroyed, deletion_time }]) => {
    return {
      version: Number(version),
      state: destroyed
        ? ('destroyed' as const)
        : isPast(deletion_time, reply.serverTime)
          ? ('deleted' as const)
          : ('readable' as const),
    }
  })
  return {
    incarnation: data.created_time,
    current: data.current_version,
    versions: versions.sort((a, b) => a.version - b.version),
  }
}

/** `delete_version_after` sets a time in the future: the version is readable until then. */
const isPast = (time: string, now: number): boolean => time !== '' && Date.parse(time) <= now

async function read(parts: Kv2Parts, version: number, signal: AbortSignal): Promise<VersionRead> {
  const reply = await ask(parts, 'data', { version }, signal)
  if (reply.status === 404) {
    const gone = z.safeParse(goneReply, reply.body)
    return { version, kind: !gone.success ? 'gone' : gone.data.data.metadata.destroyed ? 'destroyed' : 'deleted' }
  }
  const { data } = expectBody(parts, dataReply, reply.body)
  if (data.metadata.version !== version) throw invalid(parts, 'data.metadata.version')
  const pair = keyPair(data.data?.['id'], data.data?.['key'])
  if (typeof pair === 'string') return { version, kind: 'malformed', why: pair }
  const material = await materialFromString(parts.cipher, parts.hash, pair.key)
  return { version, kind: 'key', id: pair.id, createdMs: Date.parse(data.metadata.created_time), material }
}

/** Nothing is trimmed. */
function keyPair(id: unknown, key: unknown): { id: string; key: string } | Malformed {
  if (id === undefined || id === '') return 'no-id'
  if (typeof id !== 'string' || !KEY_ID.test(id)) return 'bad-id'
  if (key === undefined || key === '') return 'no-key'
  if (typeof key !== 'string' || !key.isWellFormed()) return 'key-not-string'
  return { id, key }
}

async function ask(
  parts: Kv2Parts,
  endpoint: 'data' | 'metadata',
  query: Record<string, number>,
  signal: AbortSignal,
): Promise<VaultReply> {
  const segments = [...splitPath(parts.mount), endpoint, ...splitPath(parts.path)]
  return parts.transport.get({ segments, query, token: await parts.login.token(signal), signal })
}

/** "Nothing there" is also what a KV version 1 mount says; who may see the mount learns the difference. */
async function refuseOtherKv(parts: Kv2Parts, signal: AbortSignal): Promise<null> {
  const segments = ['sys', 'internal', 'ui', 'mounts', ...splitPath(parts.mount)]
  const reply = await parts.transport
    .get({ segments, token: await parts.login.token(signal), signal })
    .catch((error: unknown) => {
      if (error instanceof KeyringError) return null
      throw error
    })
  const mount = z.safeParse(mountReply, reply?.body)
  if (!mount.success || (mount.data.data.type === 'kv' && mount.data.data.options?.version === '2')) return null
  throw new KeyringError('ERR_VAULT_KV_VERSION', `The mount ${parts.mount} is not a KV version 2 mount.`, {
    facts: { mount: parts.mount },
  })
}

function expectBody<Schema extends z.ZodMiniType>(parts: Kv2Parts, schema: Schema, body: unknown): z.output<Schema> {
  const parsed = z.safeParse(schema, body)
  if (!parsed.success) throw invalid(parts, parsed.error.issues[0]?.path.join('.') ?? '')
  return parsed.data
}

function invalid({ address, mount, path }: Kv2Parts, field: string): KeyringError {
  return new KeyringError(
    'ERR_VAULT_ANSWER_INVALID',
    `The answer of Vault at ${new URL(address).host} is not as its API says.`,
    { facts: { mount, path, field } },
  )
}
