/** A KV engine as a vault behind references: one read gives a whole secret as JSON, whatever fields of it are wanted. */
import * as z from 'zod/mini'
import { KeyringError, errorFrom, settle } from '../../core/errors.ts'
import type { SecretName } from '../../core/vault-operations.ts'
import type { Clock, Insistence } from '../../core/ports.ts'
import { Secret } from '../../core/secret.ts'
import type { SecretAnswer, SecretBackend } from '../../core/secrets.ts'
import { STEP_MS, ageOf } from '../../core/time.ts'
import type { VaultReader } from '../reader.ts'
import { splitPath } from '../wire/path.ts'
import { dataReply, goneReply, plainReply, warnedReply } from '../wire/schema.ts'
import type { KvPlace } from './kv.ts'
import { askKv, expectBody, refuseOtherKv } from './kv.ts'

interface SecretParts extends Omit<KvPlace, 'reader' | 'path'> {
  readonly kv: 'v1' | 'v2'
  readonly reader: (insist: Insistence) => VaultReader
  readonly clock: Pick<Clock, 'now'>
  /** A remedy with the names of the settings that say where this is. */
  readonly spelt: (remedy: string) => string
}

/** Looks whether the mount is of the other version. @param isWarned the answer that made one look has a warning, as version 2 gives to version 1's paths. */
type LookAtMount = (place: KvPlace, isWarned: boolean, signal: AbortSignal) => Promise<void>

export function kvBackend({ kv, reader, address, mount, clock, spelt }: SecretParts): SecretBackend {
  const [read, lookAtMount] = kv === 'v1' ? [read1, looksAtMount(1, clock)] : [read2, looksAtMount(2, clock)]
  return {
    async read(name, { insist, signal }) {
      const place = { reader: reader(insist), address, mount, path: name.resource }
      const answer = await settle(() =>
        read(place, name, signal, lookAtMount).catch(async (error: unknown): Promise<SecretAnswer> => {
          // OpenBao says the same of a token that is dead: then a new login has been tried, and it was the path after all.
          if (
            !(error instanceof KeyringError && error.code === 'ERR_VAULT_DENIED') ||
            error.facts['denied'] === 'token'
          )
            throw error
          // A policy for the paths of the other version denies these.
          await lookAtMount(place, false, signal)
          return { kind: 'forbidden' }
        }),
      )
      if (answer.ok) return answer.value
      throw errorFrom({ ...answer.error, remedy: spelt(answer.error.remedy) })
    },
  }
}

/** What a look has said holds for so long, in milliseconds: else each name that is not there would cost two requests. */
const LOOK_MS = 60_000

function looksAtMount(version: 1 | 2, clock: SecretParts['clock']): LookAtMount {
  // A warning is news to a look that none had led to: the mount may have become version 2 since.
  const looks = new Map<boolean, { readonly at: number; readonly answer: Promise<void> }>()
  return (place, isWarned, signal) => {
    const now = clock.now()
    const held = looks.get(isWarned)
    if (held !== undefined && ageOf(held.at, now, STEP_MS) < LOOK_MS) return held.answer
    const look = { at: now, answer: refuseOtherKv(place, version, signal) }
    looks.set(isWarned, look)
    return look.answer
  }
}

type Read = (place: KvPlace, name: SecretName, signal: AbortSignal, lookAtMount: LookAtMount) => Promise<SecretAnswer>

const read2: Read = async (place, { resource, version }, signal, lookAtMount) => {
  const segments = [...splitPath(place.mount), 'data', ...splitPath(resource)]
  const reply = await askKv(place, segments, version === null ? {} : { version }, signal)
  if (reply.status === 404) {
    if (!z.safeParse(goneReply, reply.body).success) await lookAtMount(place, false, signal)
    return { kind: 'absent' }
  }
  return textOf(expectBody(place, dataReply, reply.body).data.data)
}

const read1: Read = async (place, { resource, version }, signal, lookAtMount) => {
  if (version !== null) throw new KeyringError('ERR_REFERENCE_INVALID', 'KV version 1 has no versions to refer to.')
  const reply = await askKv(place, [...splitPath(place.mount), ...splitPath(resource)], {}, signal)
  if (reply.status !== 404) return textOf(expectBody(place, plainReply, reply.body).data)
  await lookAtMount(place, z.safeParse(warnedReply, reply.body).success, signal)
  return { kind: 'absent' }
}

const textOf = (data: Readonly<Record<string, unknown>> | null): SecretAnswer =>
  data === null ? { kind: 'absent' } : { kind: 'secret', text: new Secret(JSON.stringify(data)) }
