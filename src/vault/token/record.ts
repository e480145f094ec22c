/** The stored form of a token's state, which is sealed whole. A state that cannot be read counts as none, because a token can be had again. */
import * as z from 'zod/mini'
import { flag, only } from '../wire/schema.ts'
import type { ErrorData } from '../../core/errors.ts'
import { Secret } from '../../core/secret.ts'
import type { TokenState } from './state.ts'
import { NO_TOKEN } from './state.ts'

/** zod's own weighs more in the Worker than this. */
const number = z.custom<number>(Number.isFinite)
const failure = z.custom<ErrorData>((value) => typeof (value as ErrorData | null)?.code === 'string')

const schema = z.object({
  generation: number,
  token: z.nullable(
    z.object({
      secret: z.pipe(
        z.string(),
        z.transform((text) => new Secret(text)),
      ),
      ttlMs: number,
      expires: z.nullable(number),
      due: z.nullable(number),
      renewable: flag,
      type: only('service', 'batch'),
    }),
  ),
  lease: number,
  failing: z.nullable(
    z.object({
      error: failure,
      count: number,
      nextTry: number,
      // A release before this one did not write them.
      soonest: z._default(number, 0),
      requests: z._default(z.array(z.string()), []),
    }),
  ),
  denied: z.nullable(z.object({ generation: number, by: only('token', 'policy'), count: number, until: number })),
})

export function encodeState({ token, ...state }: TokenState): unknown {
  return { ...state, token: token && { ...token, secret: token.secret.reveal() } }
}

export function decodeState(value: unknown): TokenState {
  const parsed = z.safeParse(schema, value)
  return parsed.success ? parsed.data : NO_TOKEN
}
