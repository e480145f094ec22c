/** The stored form of a token's state, which is sealed whole. A state that cannot be read counts as none, because a token can be had again. */
import * as z from 'zod/mini'
import { only } from '../wire/schema.ts'
import type { ErrorData } from '../../core/errors.ts'
import { Secret } from '../../core/secret.ts'
import type { TokenState } from './state.ts'
import { NO_TOKEN } from './state.ts'

const failure = z.custom<ErrorData>((value) => typeof (value as ErrorData | null)?.code === 'string')

const schema = z.object({
  generation: z.number(),
  token: z.nullable(
    z.object({
      secret: z.pipe(
        z.string(),
        z.transform((text) => new Secret(text)),
      ),
      ttlMs: z.number(),
      expires: z.nullable(z.number()),
      due: z.nullable(z.number()),
      renewable: z.boolean(),
      type: only('service', 'batch'),
    }),
  ),
  lease: z.number(),
  failing: z.nullable(
    z.object({
      error: failure,
      count: z.number(),
      nextTry: z.number(),
      // A release before this one did not write them.
      soonest: z._default(z.number(), 0),
      requests: z._default(z.array(z.string()), []),
    }),
  ),
  denied: z.nullable(
    z.object({ generation: z.number(), by: only('token', 'policy'), count: z.number(), until: z.number() }),
  ),
})

export function encodeState({ token, ...state }: TokenState): unknown {
  return { ...state, token: token && { ...token, secret: token.secret.reveal() } }
}

export function decodeState(value: unknown): TokenState {
  const parsed = z.safeParse(schema, value)
  return parsed.success ? parsed.data : NO_TOKEN
}
