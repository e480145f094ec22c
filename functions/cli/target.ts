/** Whose keyring a command acts on. */
import type { Fetch } from '../../src/core/ports.ts'
import type { Secret } from '../../src/core/secret.ts'
import type { Instance } from '../node/instance.ts'

export interface Target {
  /** For people: `deployment https://…`, `local server http://…` or `local store …`. */
  readonly where: string
  /** What the paths of docs/api.md are added to; no slash at its end. */
  readonly base: string
  readonly token: Secret
  /** What to do when the token is not accepted there. */
  readonly tokenRemedy: string
  readonly fetch: Fetch
  /** How long to wait for one answer, in milliseconds: longer than the longest sync. */
  readonly answerMs: number
  readonly close: () => Promise<void>
  /** What serves it, where that is in this process. */
  readonly own?: Pick<Instance, 'keyring' | 'audit'>
}

export const ANSWER_MS = 70_000

/** What may stand in a header. */
export const isToken = (text: string): boolean => /^[\x21-\x7e]+$/.test(text)

/** What a target has that is somewhere else than in this process. */
export const FAR = { fetch: (request: Request) => fetch(request), answerMs: ANSWER_MS, close: async () => {} }
