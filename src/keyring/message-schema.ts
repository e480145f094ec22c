/** The messages of the authority as whoever receives one checks them: one of the union, and nothing beside it. */
import * as z from 'zod/mini'
import { INCARNATION, KEYRING_NAME, KEY_ID, MOST_TIME } from '../core/limits.ts'
import type { Message, Operation } from '../core/ports.ts'

const keyring = z.string().check(z.regex(KEYRING_NAME))
const said = <O extends Operation, Fields extends z.core.$ZodShape>(call: O, fields: Fields) =>
  z.strictObject({ call: z.literal(call), keyring, ...fields })

const whole = z.int().check(z.nonnegative())
const time = z.int().check(z.nonnegative(), z.maximum(MOST_TIME))
const push = z.strictObject({
  source: z.strictObject({ kind: z.enum(['kv1', 'kv2']), namespace: z.string(), mount: z.string(), path: z.string() }),
  observation: z.nullable(
    z.strictObject({
      incarnation: z.string().check(z.regex(INCARNATION)),
      current: whole,
      versions: z.array(z.strictObject({ version: whole, state: z.enum(['readable', 'deleted', 'destroyed']) })),
      unlisted: z.enum(['destroyed', 'unknown']),
      currentCreatedMs: z.nullable(time),
      sourceMs: time,
      keeps: whole,
    }),
  ),
  force: z.boolean(),
  adopt: z.boolean(),
})
const read = z.union([
  z.strictObject({
    version: whole,
    kind: z.literal('key'),
    id: z.string().check(z.regex(KEY_ID)),
    createdMs: time,
    key: z.string().check(z.minLength(1)),
  }),
  z.strictObject({
    version: whole,
    kind: z.literal('malformed'),
    why: z.enum(['no-id', 'bad-id', 'no-key', 'key-not-string']),
  }),
  z.strictObject({ version: whole, kind: z.enum(['deleted', 'destroyed', 'gone']) }),
])

/** A new operation does not compile without a schema here. */
export const MESSAGES: { readonly [O in Operation]: z.ZodMiniType<Message<O>> } = {
  read: said('read', { known: z.number() }),
  status: said('status', {}),
  sync: said('sync', {
    options: z.strictObject({ force: z.boolean(), adopt: z.boolean(), token: z.nullable(z.string()) }),
  }),
  syncIfDue: said('syncIfDue', {}),
  seek: said('seek', { id: z.string().check(z.regex(KEY_ID)) }),
  rotate: said('rotate', { dryRun: z.boolean() }),
  offer: said('offer', { push, mountKeeps: z.nullable(whole) }),
  deliver: said('deliver', { push, reads: z.array(read) }),
  change: said('change', {
    change: z.strictObject({
      op: z.enum(['remove', 'compromise']),
      id: z.string().check(z.regex(KEY_ID)),
      force: z.boolean(),
    }),
  }),
  diagnose: said('diagnose', { login: z.boolean() }),
}

const message = z.union(Object.values(MESSAGES))

/** `null` = something else. */
export function parseMessage(value: unknown): Message | null {
  const parsed = z.safeParse(message, value)
  return parsed.success ? parsed.data : null
}
