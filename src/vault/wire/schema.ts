/** The answers of Vault, as far as they are read: unknown fields are ignored. */
import * as z from 'zod/mini'
import { isTimestamp } from '../../core/time.ts'

const time = z.string().check(z.refine(isTimestamp))
/** zod's own enum and literal, and its schemas of numbers and booleans, weigh more in the Worker than these. */
export const only = <const Value>(...values: readonly Value[]) =>
  z.custom<Value>((given) => values.some((each) => each === given))
export const flag = only(true, false)
export const integer = z.custom<number>(Number.isSafeInteger)
export const count = integer.check(z.refine((number) => number >= 0))
/** In seconds; the longest that Go's durations can say is 292 years. */
export const duration = count.check(z.refine((number) => number <= 9_223_372_036))
/** Whatever there is under whatever name; zod's own record weighs more in the Worker. */
export const fields = z.custom<Readonly<Record<string, unknown>>>(
  (given) => typeof given === 'object' && given !== null && !Array.isArray(given),
)
const VERSION = /^[1-9]\d{0,14}$/
/** What a rotation alone needs may be missing in the answer of what only looks like Vault. */
const versionState = z.object({
  created_time: z.optional(time),
  deletion_time: z.string().check(z.refine((text) => text === '' || isTimestamp(text))),
  destroyed: flag,
})

export const metadataReply = z.object({
  data: z.object({
    created_time: time,
    current_version: count,
    max_versions: z.optional(count),
    versions: z
      .catchall(z.object({}), versionState)
      .check(z.refine((versions) => Object.keys(versions).every((number) => VERSION.test(number)))),
  }),
})

const versionMetadata = z.object({ created_time: time, version: count, destroyed: flag })

export const dataReply = z.object({
  data: z.object({ data: z.nullable(fields), metadata: versionMetadata }),
})

/** The answer to a write, and the settings of a mount. */
export const writtenReply = z.object({ data: z.object({ created_time: time, version: count }) })
export const mountConfigReply = z.object({ data: z.object({ max_versions: count }) })

/** A 404 with this body says that the version is deleted or destroyed. */
export const goneReply = z.object({ data: z.object({ metadata: versionMetadata }) })

/** So does version 2 answer a path of version 1. */
export const warnedReply = z.object({ warnings: z.array(z.string()).check(z.refine((all) => all.length > 0)) })

/** These two are answers of KV version 1. */
export const listReply = z.object({ data: z.object({ keys: z.array(z.string()) }) })
export const plainReply = z.object({ data: fields })

export const mountReply = z.object({
  data: z.object({
    path: z.optional(z.string()),
    type: z.string(),
    options: z.nullable(z.object({ version: z.optional(z.string()) })),
  }),
})

/** The answer to a login, and to a renewal. */
export const authReply = z.object({
  auth: z.object({
    client_token: z.string(),
    lease_duration: duration,
    renewable: flag,
    token_type: z.optional(z.string()),
    num_uses: z.optional(count),
    mfa_requirement: z.optional(z.nullable(z.custom())),
  }),
})

/** The answer to lookup-self. An absent path = the root namespace, or a server without namespaces. */
export const lookupReply = z.object({ data: z.object({ namespace_path: z.optional(z.string()) }) })

const errors = z.object({ errors: z.array(z.string()) })

/** The texts of `errors[]`; `null` = Vault does not answer so: where something failed it has those, data of what is deleted, or its health. */
export function errorTexts(status: number, body: unknown): readonly string[] | null {
  if (typeof body !== 'object' || body === null) return null
  const parsed = z.safeParse(errors, body)
  if (parsed.success) return parsed.data.errors
  return status < 400 || 'data' in body || 'initialized' in body ? [] : null
}

/** What `sys/capabilities-self` says of a path. */
export function capabilitiesOf(body: unknown, path: string): ReadonlySet<string> {
  const reply = z.safeParse(z.object({ data: z.object({ [path]: z.array(z.string()) }) }), body)
  return new Set(reply.data?.data[path] ?? [])
}
