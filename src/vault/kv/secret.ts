/** A KV engine as a vault behind references: one read gives a whole secret as JSON, whatever fields of it are wanted. */
import * as z from 'zod/mini'
import { KeyringError, settle } from '../../core/errors.ts'
import type { SecretName } from '../../core/vault-operations.ts'
import type { Insistence } from '../../core/ports.ts'
import { Secret } from '../../core/secret.ts'
import type { SecretAnswer, SecretBackend } from '../../core/secrets.ts'
import type { VaultReader } from '../reader.ts'
import { splitPath } from '../wire/path.ts'
import { dataReply, goneReply, plainReply } from '../wire/schema.ts'
import type { KvPlace } from './kv.ts'
import { askKv, expectBody, refuseOtherKv } from './kv.ts'

interface SecretParts extends Omit<KvPlace, 'reader' | 'path'> {
  readonly kv: 'v1' | 'v2'
  readonly reader: (insist: Insistence) => VaultReader
  /** A remedy with the names of the settings that say where this is. */
  readonly spelt: (remedy: string) => string
}

export const kvBackend = ({ kv, reader, address, mount, spelt }: SecretParts): SecretBackend => ({
  async read(name, { insist, signal }) {
    const place = { reader: reader(insist), address, mount, path: name.resource }
    const read = await settle(() => (kv === 'v1' ? read1(place, name, signal) : read2(place, name, signal)))
    if (read.ok) return read.value
    const { code, message, remedy, facts } = read.error
    // OpenBao says the same of a token that is dead: then a new login has been tried, and it was the path after all.
    if (code === 'ERR_VAULT_DENIED' && facts['denied'] !== 'token') return { kind: 'forbidden' }
    throw new KeyringError(code, message, { remedy: spelt(remedy), facts })
  },
})

async function read2(place: KvPlace, { resource, version }: SecretName, signal: AbortSignal): Promise<SecretAnswer> {
  const segments = [...splitPath(place.mount), 'data', ...splitPath(resource)]
  const reply = await askKv(place, segments, version === null ? {} : { version }, signal)
  if (reply.status === 404) {
    if (!z.safeParse(goneReply, reply.body).success) await refuseOtherKv(place, 2, signal)
    return { kind: 'absent' }
  }
  return textOf(expectBody(place, dataReply, reply.body).data.data)
}

async function read1(place: KvPlace, { resource, version }: SecretName, signal: AbortSignal): Promise<SecretAnswer> {
  if (version !== null) throw new KeyringError('ERR_REFERENCE_INVALID', 'KV version 1 has no versions to refer to.')
  const reply = await askKv(place, [...splitPath(place.mount), ...splitPath(resource)], {}, signal)
  if (reply.status !== 404) return textOf(expectBody(place, plainReply, reply.body).data)
  await refuseOtherKv(place, 1, signal)
  return { kind: 'absent' }
}

const textOf = (data: Readonly<Record<string, unknown>> | null): SecretAnswer =>
  data === null ? { kind: 'absent' } : { kind: 'secret', text: new Secret(JSON.stringify(data)) }
