/** The answers that the commands read. Fields that are not read are kept, for `--json`. */
import * as z from 'zod/mini'
import { fromBase64 } from '../../src/core/bytes.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { KEY_ID } from '../../src/core/limits.ts'
import { printable } from '../../src/core/printable.ts'
import type { Answer } from './answer.ts'
import { unknown } from './answer.ts'
import type { Target } from './target.ts'

/** Shown to people. */
const text = z.pipe(
  z.string(),
  z.transform((given) => printable(given)),
)
const time = z.nullable(text)

const wrappingKeys = z.array(
  z.looseObject({ id: text, configured: z.boolean(), first: z.boolean(), needed_by: z.array(text) }),
)
export type WrappingKeysBody = z.output<typeof wrappingKeys>

const trouble = z.looseObject({ code: text, message: text })
const vaultBody = z.looseObject({
  vault: text,
  /** Absent = there is an error. */
  kept: z.optional(z.number()),
  more: z.optional(z.boolean()),
  stale: z.optional(z.number()),
  refused: z.optional(z.number()),
  last_answer: z.optional(time),
  last_error: z.optional(z.nullable(z.looseObject({ code: text, message: text, since: text, count: z.number() }))),
  error: z.optional(trouble),
})
export type VaultBody = z.output<typeof vaultBody>

export const statusBody = z.looseObject({
  keyring: text,
  active: z.nullable(text),
  source: z.nullable(z.looseObject({ address: text, mount: text, path: text })),
  keys: z.array(
    z.looseObject({
      id: text,
      state: text,
      source: text,
      versions: z.array(z.number()),
      created: text,
      weak: z.boolean(),
    }),
  ),
  skipped: z.array(z.looseObject({ version: z.number(), why: text })),
  lost: z.number(),
  last_success: time,
  last_error: z.nullable(z.looseObject({ code: text, message: text, since: text, failures: z.number() })),
  next_try: time,
  /** Absent = of an earlier build. */
  rotation: z.optional(
    z.nullable(
      z.looseObject({
        last: time,
        next: time,
        left: z.nullable(z.number()),
        last_error: z.nullable(z.looseObject({ code: text, message: text, since: text })),
      }),
    ),
  ),
  /** Absent or `null` = there is none. */
  replica: z.optional(z.nullable(z.looseObject({ lags: z.boolean() }))),
  /** Absent = of an earlier build. */
  wrapping_keys: z.optional(wrappingKeys),
  /** Absent = of an earlier build. */
  ends: z.optional(z.array(z.looseObject({ detail: text, days: z.number() }))),
  /** Absent = there are none, or none for this token. */
  vaults: z.optional(z.array(vaultBody)),
  needed: z.array(text),
})
export type StatusBody = z.output<typeof statusBody>

const checks = z.array(
  z.looseObject({
    check: text,
    outcome: text,
    detail: text,
    code: z.optional(text),
    remedy: z.optional(text),
  }),
)
export const diagnosisBody = z.looseObject({
  keyring: text,
  time: text,
  healthy: z.boolean(),
  checks,
  /** Absent = there are none, or none for this token. */
  vaults: z.optional(z.array(z.looseObject({ vault: text, checks }))),
})
export type DiagnosisBody = z.output<typeof diagnosisBody>
export type ChecksBody = DiagnosisBody['checks']

export const resealedBody = z.looseObject({ done: z.boolean(), wrapping_keys: wrappingKeys })
export type ResealedBody = z.output<typeof resealedBody>

export const rotationBody = z.looseObject({
  rotated: z.boolean(),
  version: z.number(),
  active: z.nullable(text),
  rotations_left: z.nullable(z.number()),
})
export type RotationBody = z.output<typeof rotationBody>

export const importBody = z.looseObject({ added: z.array(text), removed: z.array(text), active: z.nullable(text) })
export type ImportBody = z.output<typeof importBody>

export const handedBody = z.object({ taken: z.number(), older: z.number() })
export type HandedBody = z.output<typeof handedBody>
export const offeredBody = z.object({
  lacks: z.array(z.int().check(z.positive())),
  next: z.nullable(z.string().check(z.regex(KEY_ID))),
})
export const remainingBody = z.looseObject({ remaining: z.number() })
export const encryptedBody = z.looseObject({ ciphertext: z.string().check(z.regex(/^[\x21-\x7e]+$/)), key_id: text })
export type EncryptedBody = z.output<typeof encryptedBody>

const item = z.object({ ciphertext: z.string().check(z.regex(/^[\x21-\x7e]+$/)), key_id: text })
const wrongItem = z.object({ error: z.object({ code: text, message: text, remedy: text }) })
/** Of a batch. */
export const rewrappedBody = z.object({ items: z.array(z.union([item, wrongItem])) })

const bytes = z.pipe(
  z.string(),
  z.transform((text, { issues }): Bytes => {
    const decoded = fromBase64(text)
    if (decoded !== null) return decoded
    issues.push({ code: 'custom', input: null })
    return z.NEVER
  }),
)
export const decryptedBody = z.looseObject({ plaintext: bytes, key_id: text })
export type DecryptedBody = z.output<typeof decryptedBody>

export const resolvedBody = z.object({
  secrets: z.array(
    z.object({
      value: z.optional(z.string()),
      error: z.optional(z.looseObject({ code: text, message: text, remedy: text })),
    }),
  ),
})
export type ResolvedBody = z.output<typeof resolvedBody>

/** @throws `ERR_DEPLOYMENT_UNKNOWN`. */
export function parseAnswer<Schema extends z.ZodMiniType>(
  target: Target,
  schema: Schema,
  { body }: Answer,
): z.output<Schema> {
  const parsed = z.safeParse(schema, body)
  if (parsed.success) return parsed.data
  throw unknown(target, 'JSON of another shape')
}

/** `Keyring-Sync`. `null` = a proxy took the header away. */
export function syncOf(headers: Headers): { changed: boolean | null; requests: number | null } {
  const header = /^changed=\?([01]), requests=(\d{1,6})$/.exec(headers.get('keyring-sync') ?? '')
  return header === null
    ? { changed: null, requests: null }
    : { changed: header[1] === '1', requests: Number(header[2]) }
}

export interface Note {
  readonly code: string
  readonly version: number
  readonly id: string | null
}

/** `Keyring-Notes`, without the count of those that were too many. */
export function notesOf(headers: Headers): Note[] {
  const notes = (headers.get('keyring-notes') ?? '').matchAll(
    /([a-z-]{1,40});version=(\d{1,15})(?:;id="([A-Za-z0-9._~-]{1,64})")?/g,
  )
  return Array.from(notes, ([, code = '', version, id = null]) => ({ code, version: Number(version), id }))
}
