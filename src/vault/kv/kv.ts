/** The part of a keyring's source that both versions of the KV engine share. */
import * as z from 'zod/mini'
import { KeyringError } from '../../core/errors.ts'
import { KEY_ID } from '../../core/limits.ts'
import { placeOf, printable } from '../../core/printable.ts'
import type { Cipher, Hash, KeySource, Malformed, PairRead, PairSource, SourceId } from '../../core/ports.ts'
import { Secret } from '../../core/secret.ts'
import { materialOf } from '../../crypto/material.ts'
import { CHECK_FIRST } from '../wire/errors.ts'
import { splitPath } from '../wire/path.ts'
import type { VaultReader } from '../reader.ts'
import { mountReply } from '../wire/schema.ts'
import type { VaultReply } from '../wire/transport.ts'

export interface KvParts extends Omit<SourceId, 'kind'> {
  readonly reader: VaultReader
  readonly cipher: Cipher
  readonly hash: Hash
}

/** Where something is read. */
export type KvPlace = Pick<KvParts, 'reader' | 'address' | 'mount' | 'path'>

/** @param first of a sync, by this version of the engine: a token that fits the other one is refused there, and lacks no right. */
export const askKv = (
  parts: KvPlace,
  segments: readonly string[],
  query: Readonly<Record<string, string | number>>,
  signal: AbortSignal,
  first?: 1 | 2,
): Promise<VaultReply> =>
  parts.reader.get({ segments, query, signal }).catch(async (error: unknown) => {
    if (!(error instanceof KeyringError) || error.facts['denied'] !== 'policy') throw error
    if (first !== undefined) await refuseOtherKv(parts, first, signal)
    throw notAllowed(error, segments.join('/'), 'list' in query ? 'list' : 'read', first ? CHECK_FIRST : 'Add')
  })

export const notAllowed = (
  { code, facts }: Pick<KeyringError, 'code' | 'facts'>,
  path: string,
  capability: 'list' | 'read' | 'update',
  add: string,
): KeyringError =>
  new KeyringError(code, `Vault at ${facts['host']} does not let the token ${capability} ${path}.`, {
    facts,
    remedy: `${add} to the policy of the token, or of the role of the login: path "${path}" { capabilities = ["${capability}"] }.`,
  })

/** The source of a keyring, from what the engine holds. */
export function kvSource(kind: SourceId['kind'], parts: KvParts, pairs: PairSource): KeySource {
  const { cipher, hash, address, namespace, mount, path } = parts
  return {
    id: { kind, address, namespace, mount, path },
    observe: (signal) => pairs.observe(signal),
    read: async (version, signal) => materialOf(cipher, hash, await pairs.read(version, signal)),
  }
}

export function readPair(version: number, data: Readonly<Record<string, unknown>> | null, createdMs: number): PairRead {
  const pair = keyPair(data?.['id'], data?.['key'])
  if (typeof pair === 'string') return { version, kind: 'malformed', why: pair }
  return { version, kind: 'key', id: pair.id, createdMs, key: new Secret(pair.key) }
}

/** Id and key count as they are stored: nothing is trimmed. */
function keyPair(id: unknown, key: unknown): { id: string; key: string } | Malformed {
  if (id === undefined || id === '') return 'no-id'
  if (typeof id !== 'string' || !KEY_ID.test(id)) return 'bad-id'
  if (key === undefined || key === '') return 'no-key'
  if (typeof key !== 'string' || !key.isWellFormed()) return 'key-not-string'
  return { id, key }
}

/** The other version of the engine says "nothing there" too; whoever may see the mount learns the difference. */
export async function refuseOtherKv(parts: KvPlace, wanted: 1 | 2, signal: AbortSignal): Promise<void> {
  const reply = await lookAgain(parts, ['sys', 'internal', 'ui', 'mounts', ...splitPath(parts.mount)], signal)
  const mount = z.safeParse(mountReply, reply?.body)
  if (!mount.success) return
  const { type, options } = mount.data.data
  const version = options?.version === '2' ? 2 : 1
  if (type === 'kv' && version === wanted) return
  throw new KeyringError('ERR_VAULT_KV_VERSION', `The mount ${parts.mount} is not a KV version ${wanted} mount.`, {
    facts: { mount: parts.mount, wanted },
    ...(type === 'kv' && { remedy: `Set KEYRING_VAULT_KV=v${version} ("kv" in KEYRINGS), or name another mount.` }),
  })
}

/** Looks at what a policy may well hide, after something has failed already: a second refusal must not hide the first error. `null` = it is not to be seen. */
export const lookAgain = (
  { reader }: Pick<KvPlace, 'reader'>,
  segments: readonly string[],
  signal: AbortSignal,
): Promise<VaultReply | null> =>
  reader.probe({ segments, signal }).catch((error: unknown) => {
    if (error instanceof KeyringError) return null
    throw error
  })

export function expectBody<Schema extends z.ZodMiniType>(
  parts: KvPlace,
  schema: Schema,
  body: unknown,
): z.output<Schema> {
  const parsed = z.safeParse(schema, body)
  if (!parsed.success) throw invalid(parts, printable(parsed.error.issues[0]?.path.join('.') ?? '', 128))
  return parsed.data
}

export function invalid({ address, mount, path }: KvPlace, field: string): KeyringError {
  return new KeyringError(
    'ERR_VAULT_ANSWER_INVALID',
    `The answer of Vault at ${placeOf(address)} is not as its API says.`,
    { facts: { mount, path, field } },
  )
}
