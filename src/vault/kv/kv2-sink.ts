/** KV version 2 as where rotations write: the next version, by check-and-set on the current one. */
import { KeyringError } from '../../core/errors.ts'
import type { KeyPair, KeySink } from '../../core/ports.ts'
import { placeOf } from '../../core/printable.ts'
import type { ErrorOf } from '../wire/errors.ts'
import { fromStatus, vaultError } from '../wire/errors.ts'
import { splitPath } from '../wire/path.ts'
import { capabilitiesOf, mountConfigReply, writtenReply } from '../wire/schema.ts'
import type { VaultReply } from '../wire/transport.ts'
import type { KvParts } from './kv.ts'
import { askKv, expectBody, invalid, notAllowed } from './kv.ts'
import { segmentsOf } from './kv2.ts'

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

/** 'conflict' = the check-and-set does not hold. */
const writeKv = (
  { reader }: KvParts,
  segments: readonly string[],
  body: object,
  signal: AbortSignal,
): Promise<VaultReply | 'conflict'> =>
  reader.write({ segments, body, signal, errorOf: fromWrite }).catch((error: unknown) => {
    if (error instanceof KeyringError && error.facts['denied'] === 'policy')
      throw notAllowed(error, segments.join('/'), 'update', 'Add')
    if (error instanceof KeyringError && error.facts['reason'] === 'check-and-set') return 'conflict'
    throw error
  })

/** OpenBao and Vault say "check-and-set parameter did not match the current version". */
const fromWrite: ErrorOf = (target, answer, retryAfterSeconds) =>
  answer.status === 400 && answer.texts?.some((text) => text.includes('check-and-set'))
    ? vaultError('ERR_VAULT_REQUEST_REFUSED', target, 'has another current version', { reason: 'check-and-set' })
    : fromStatus(target, answer, retryAfterSeconds)
