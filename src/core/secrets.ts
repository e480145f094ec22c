/** The ports of references to secrets: the vault that is asked, and the store of what it has said. */
import type { Bytes } from './bytes.ts'
import type { Result } from './errors.ts'
import type { AnswerTo, Message } from './operations.ts'
import type { VaultOperation } from './operations.ts'
import type { SecretName } from './vault-operations.ts'
import type { Insistence } from './ports.ts'
import type { Secret } from './secret.ts'

/** What a vault says of a secret: a text, which is JSON where it has fields, or that there is none, or none for us. */
export type SecretAnswer =
  | { readonly kind: 'secret'; readonly text: Secret }
  | { readonly kind: 'absent' | 'forbidden' }

/** A secret that is kept fresh though nobody asks for it. */
export interface ListedSecret extends SecretName {
  /** A field that it must have; `null` = none. */
  readonly key: string | null
  /** Its place in the list, from 1 on. */
  readonly entry: number
}

export interface SecretBackend {
  /** Throws for outages: what is known goes on. */
  read(name: SecretName, how: { readonly insist: Insistence; readonly signal: AbortSignal }): Promise<SecretAnswer>
}

/** How long what a vault has said holds, as its entity says; all in milliseconds. */
export interface SecretRules {
  /** 0 = for good: nothing is asked again. */
  readonly ttlMs: number
  /** How long it holds that there is no such secret, or none for us; 0 = not at all. */
  readonly negTtlMs: number
  /** How long a secret serves from its expiry on, while the vault cannot be asked. */
  readonly resurrectMs: number
  /** A secret that is deleted, or forbidden, serves on as in an outage. */
  readonly resurrectDeleted: boolean
}

export interface StoredItem {
  readonly bytes: Bytes
  /** Of the store, greater with each put of this name. */
  readonly version: number
}

/** When the store is to name an item, and when to forget it, in milliseconds since 1970. */
export interface ItemTimes {
  /** Infinity = never. */
  readonly due: number
  readonly expires: number
}

/** Many small items in groups, strongly consistent, with compare-and-set, delete and expiry. */
export interface ItemStore {
  /** `null` = there is none, or it has expired. */
  get(group: string, name: string): Promise<StoredItem | null>
  /** `expected` 0 = there is none. @throws `ERR_STORE_UNAVAILABLE`, `ERR_RECORD_TOO_LARGE`. */
  put(group: string, name: string, bytes: Bytes, expected: number, times: ItemTimes): Promise<number | 'conflict'>
  /** What has another version stays. */
  delete(group: string, name: string, expected: number): Promise<void>
  /** The names of those that are due at `time`, the longest due first. */
  due(group: string, time: number, most: number): Promise<readonly string[]>
  /** Names in their order, from behind `after` on. */
  list(group: string, after: string, most: number): Promise<readonly string[]>
}

/** A vault entity for people, as Kong shows one. */
export interface VaultView {
  readonly name: string
  readonly prefix: string
  readonly description: string | null
  readonly tags: readonly string[]
  /** Without credentials. */
  readonly config: Readonly<Record<string, string | number | boolean>>
}

/** The part of the authority that secrets are asked of. */
export interface VaultAuthority {
  call<O extends VaultOperation>(message: Message<O>): Promise<Result<AnswerTo<O>>>
}
