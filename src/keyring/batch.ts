/** What a keyring is used for beside one value: many at once, each of which comes to an end of its own, and rewrapping. */
import type { Awaitable } from '../core/awaitable.ts'
import { andThen } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import type { KeyringErrorCode, Result } from '../core/errors.ts'
import { KeyringError, settle } from '../core/errors.ts'
import { parseEk1 } from '../crypto/ek1.ts'
import type { UsableKeyring } from './usable.ts'
import type { Encrypted } from './sync-keyring.ts'

/** A value, and the context that it is bound to. */
export interface Sealed {
  readonly ciphertext: string
  readonly context: Bytes
}

/** All that one value needs of a keyring. */
export type ValueKeyring = Pick<UsableKeyring, 'encrypt' | 'decrypt'>

/** The plaintext is in memory alone. */
export const rewrapped = (keyring: ValueKeyring, { ciphertext, context }: Sealed): Awaitable<Encrypted> =>
  andThen(keyring.decrypt(ciphertext, context), ({ plaintext }) => keyring.encrypt(plaintext, context))

/** They say something of the keyring, and so of every item. */
const OF_ALL: ReadonlySet<KeyringErrorCode> = new Set(['ERR_NO_ACTIVE_KEY', 'ERR_SNAPSHOT_STALE'])
/** They say something of a key, and so of every item that names it. */
const OF_KEY: ReadonlySet<KeyringErrorCode> = new Set(['ERR_KEY_NOT_FOUND', 'ERR_KEY_UNVERIFIED'])

/**
 * Works on each item, one after the other: where nothing waits, no promise is made. What an item fails for is its own.
 * @param work is given a keyring for all of them. @throws `ERR_NO_ACTIVE_KEY`, `ERR_SNAPSHOT_STALE`.
 */
export async function settleEach<Item, Made>(
  keyring: UsableKeyring,
  items: readonly Item[],
  work: (keyring: ValueKeyring, item: Item) => Awaitable<Made>,
): Promise<Result<Made>[]> {
  const batch = forMany(keyring, items.length)
  const results: Result<Made>[] = []
  for (const item of items) {
    try {
      const made = work(batch, item)
      results.push({ ok: true, value: made instanceof Promise ? await made : made })
    } catch (error) {
      if (error instanceof KeyringError && OF_ALL.has(error.code)) throw error
      results.push(await settle<Made>(() => Promise.reject(error)))
    }
  }
  return results
}

/** For so many values: what holds for all of them is found out once, and a key that is not there is asked for once. */
function forMany(keyring: UsableKeyring, values: number): ValueKeyring {
  const missing = new Map<string, KeyringError>()
  const note = (error: unknown): never => {
    if (error instanceof KeyringError && OF_KEY.has(error.code)) missing.set(String(error.facts['id']), error)
    throw error
  }
  return {
    encrypt: keyring.encrypting(values),
    decrypt(ciphertext, context) {
      const known = missing.size === 0 ? undefined : missing.get(parseEk1(ciphertext).id)
      if (known !== undefined) throw known
      const opened = keyring.decrypt(ciphertext, context)
      return opened instanceof Promise ? opened.catch(note) : opened
    },
  }
}

/** How many values of a batch came to the same. */
export interface Used {
  readonly keyId: string | null
  readonly code: KeyringErrorCode | null
  readonly count: number
}

export function outcomesOf(results: readonly Result<{ readonly keyId: string }>[]): readonly Used[] {
  const sums = new Map<string, { -readonly [Name in keyof Used]: Used[Name] }>()
  for (const result of results) {
    const name = result.ok ? result.value.keyId : ` ${result.error.code}`
    const sum = sums.get(name)
    if (sum !== undefined) sum.count += 1
    else if (result.ok) sums.set(name, { keyId: name, code: null, count: 1 })
    else sums.set(name, { keyId: null, code: result.error.code, count: 1 })
  }
  return [...sums.values()]
}
