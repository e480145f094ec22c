/** The answers that the commands read. Fields that are not read are kept, for `--json`. */
import * as z from 'zod/mini'
import { fromBase64 } from '../../src/core/bytes.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import type { Answer } from './answer.ts'
import { unknown } from './answer.ts'
import type { Target } from './target.ts'

const time = z.nullable(z.string())

export const statusBody = z.looseObject({
  keyring: z.string(),
  active: z.nullable(z.string()),
  source: z.nullable(z.looseObject({ address: z.string(), mount: z.string(), path: z.string() })),
  keys: z.array(
    z.looseObject({
      id: z.string(),
      state: z.string(),
      source: z.string(),
      versions: z.array(z.number()),
      created: z.string(),
      weak: z.boolean(),
    }),
  ),
  skipped: z.array(z.looseObject({ version: z.number(), why: z.string() })),
  lost: z.number(),
  last_success: time,
  last_error: z.nullable(
    z.looseObject({ code: z.string(), message: z.string(), since: z.string(), failures: z.number() }),
  ),
  next_try: time,
  /** Absent or `null` = there is none. */
  replica: z.optional(z.nullable(z.looseObject({ lags: z.boolean() }))),
  /** Absent = of an earlier build. */
  wrapping_keys: z.optional(
    z.array(
      z.looseObject({ id: z.string(), configured: z.boolean(), first: z.boolean(), needed_by: z.array(z.string()) }),
    ),
  ),
  needed: z.array(z.string()),
})
export type StatusBody = z.output<typeof statusBody>

export const diagnosisBody = z.looseObject({
  keyring: z.string(),
  time: z.string(),
  healthy: z.boolean(),
  checks: z.array(
    z.looseObject({
      check: z.string(),
      outcome: z.string(),
      detail: z.string(),
      code: z.optional(z.string()),
      remedy: z.optional(z.string()),
    }),
  ),
})
export type DiagnosisBody = z.output<typeof diagnosisBody>
export type ChecksBody = DiagnosisBody['checks']

export const remainingBody = z.looseObject({ remaining: z.number() })
export const encryptedBody = z.looseObject({ ciphertext: z.string(), key_id: z.string() })
export type EncryptedBody = z.output<typeof encryptedBody>

const bytes = z.pipe(
  z.string(),
  z.transform((text, { issues }): Bytes => {
    const decoded = fromBase64(text)
    if (decoded !== null) return decoded
    issues.push({ code: 'custom', input: null })
    return z.NEVER
  }),
)
export const decryptedBody = z.looseObject({ plaintext: bytes, key_id: z.string() })
export type DecryptedBody = z.output<typeof decryptedBody>

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
  const notes = (headers.get('keyring-notes') ?? '').matchAll(/([a-z-]+);version=(\d+)(?:;id="([^"]*)")?/g)
  return Array.from(notes, ([, code = '', version, id = null]) => ({ code, version: Number(version), id }))
}
