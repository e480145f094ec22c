/** Whose keyring a command acts on. */
import type { Fetch } from '../../src/core/ports.ts'
import type { Secret } from '../../src/core/secret.ts'

export interface Target {
  /** For people: `deployment https://…` or `local store …`. */
  readonly where: string
  /** What the paths of docs/api.md are added to; no slash at its end. */
  readonly base: string
  readonly token: Secret
  readonly fetch: Fetch
  /** How long to wait for one answer, in milliseconds: longer than the longest sync. */
  readonly answerMs: number
  readonly close: () => Promise<void>
}

export const ANSWER_MS = 70_000
