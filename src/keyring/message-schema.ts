/** The messages of the authority as whoever receives one checks them: one of the union, and nothing beside it. */
import * as z from 'zod/mini'
import { KEYRING_NAME, KEY_ID, MAX_RECORD_BYTES } from '../core/limits.ts'
import type { Message, Operation, Push, VaultOperation } from '../core/operations.ts'
import type { HandedSecret } from '../core/vault-operations.ts'
import type { PlainRead } from '../core/ports.ts'
import { isHanded, isPush, isReads, isWhole } from './push-shape.ts'

/** zod's own enum and literal, and its schemas of numbers and booleans, weigh more in the Worker than these. */
const only = <const Value>(...values: readonly Value[]) =>
  z.custom<Value>((given) => values.some((each) => each === given))
const flag = only(true, false)
const number = z.custom<number>(Number.isSafeInteger)

const keyring = z.string().check(z.refine((text) => KEYRING_NAME.test(text)))
const keyId = z.string().check(z.refine((text) => KEY_ID.test(text)))
const said = <O extends Operation, Fields extends z.core.$ZodShape>(call: O, fields: Fields) =>
  z.strictObject({ call: only(call), keyring, ...fields })
const ofVault = <O extends VaultOperation, Fields extends z.core.$ZodShape>(call: O, fields: Fields) =>
  z.strictObject({ call: only(call), vault: z.string(), ...fields })

const push = z.custom<Push>(isPush)

/** A new operation does not compile without a schema here. */
export const MESSAGES: { readonly [O in Operation]: z.ZodMiniType<Message<O>> } = {
  read: said('read', { known: number }),
  status: said('status', {}),
  sync: said('sync', {
    options: z.strictObject({ force: flag, adopt: flag, token: z.nullable(z.string()) }),
  }),
  syncIfDue: said('syncIfDue', { refused: z.optional(z.array(z.string())) }),
  seek: said('seek', { id: keyId }),
  rotate: said('rotate', { dryRun: flag }),
  offer: said('offer', { push, mountKeeps: z.nullable(z.custom<number>(isWhole)) }),
  deliver: said('deliver', { push, reads: z.custom<readonly PlainRead[]>(isReads) }),
  change: said('change', {
    change: z.strictObject({
      op: only('remove', 'compromise'),
      id: keyId,
      force: flag,
    }),
  }),
  reseal: said('reseal', {}),
  diagnose: said('diagnose', { login: flag }),
  import: said('import', {
    record: z.string().check(z.refine((text) => text.length <= MAX_RECORD_BYTES)),
    force: flag,
  }),
  resolve: ofVault('resolve', {
    secrets: z.array(z.strictObject({ resource: z.string(), version: z.nullable(number) })),
    refresh: flag,
    caller: z.optional(z.string()),
  }),
  cached: ofVault('cached', { after: z.string() }),
  refreshIfDue: ofVault('refreshIfDue', {}),
  summary: ofVault('summary', {}),
  examine: ofVault('examine', { login: flag }),
  hand: ofVault('hand', { source: z.string(), secrets: z.custom<readonly HandedSecret[]>(isHanded) }),
}

/** `null` = something else. */
export function parseMessage(value: unknown): Message | null {
  const { call } = Object(value) as { readonly call?: unknown }
  const schema = Object.entries(MESSAGES).find(([operation]) => operation === call)?.[1]
  return (schema && z.safeParse<z.ZodMiniType<Message>>(schema, value).data) ?? null
}
