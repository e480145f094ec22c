/** What messages of the authority and their answers look like on the way, for whoever sends one: JSON has no bytes. */
import { fromBase64, toBase64 } from '../core/bytes.ts'
import type { Result } from '../core/errors.ts'
import type {
  AnswerTo,
  KeyringAuthority,
  KeyringOperation,
  Message,
  Operation,
  SyncOptions,
} from '../core/operations.ts'

/** Whoever carries messages out has a method for each operation, of its name. */
export type HandlersOf<Operations extends Operation> = {
  readonly [O in Operations]: (message: Message<O>) => Promise<AnswerTo<O>>
}
export type Handlers = HandlersOf<KeyringOperation>

/** An authority somewhere else. @param send brings a message there and its answer back, whatever it is. */
export const distantAuthority = (send: (message: Message) => Promise<unknown>): KeyringAuthority => ({
  call: <O extends Operation>(message: Message<O>) => send(message as Message) as Promise<Result<AnswerTo<O>>>,
})

/** What the store alone answers, at once. */
const LOOKS = { read: true, status: true } satisfies { readonly [O in KeyringOperation]?: true }
export type Look = keyof typeof LOOKS

export const isLook = (call: Operation): boolean => call in LOOKS

export const isPlain = ({ force, adopt, token }: SyncOptions): boolean => !force && !adopt && token === null

/** An object with this field stands for bytes. */
const BYTES = '$base64'

export function toJson(value: unknown): unknown {
  return value instanceof Uint8Array ? { [BYTES]: toBase64(value) } : mapped(value, toJson)
}

/** What is no base64 becomes no bytes: whoever adopts a record verifies it. */
export function fromJson(value: unknown): unknown {
  const base64 = (value as { [BYTES]?: unknown } | null)?.[BYTES]
  return typeof base64 === 'string' ? (fromBase64(base64) ?? new Uint8Array()) : mapped(value, fromJson)
}

function mapped(value: unknown, each: (part: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((part) => each(part))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, each(part)]))
}
