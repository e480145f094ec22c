/** What a vault's secrets were at one time, as one item of a replica: their sealed states and that time, under one MAC (`ekxc1`, docs/formats.md). */
import { parseJson } from '../core/body.ts'
import type { Bytes } from '../core/bytes.ts'
import { decodeUtf8, utf8 } from '../core/bytes.ts'
import type { ItemSealer } from '../crypto/seal-item.ts'

const FORMAT = 'ekxc1'

export interface Copy {
  /** When the states were read of the store, in milliseconds since 1970. */
  readonly time: number
  /** By the names of their items. */
  readonly states: ReadonlyMap<string, Bytes>
}

/** Its name in a replica. */
export const copyName = (vault: string): string => `secrets/${vault}`

/** As it stands in the copy, which is JSON. */
export const entryOf = (name: string, state: Bytes): readonly [string, string] => [name, decodeUtf8(state) ?? '']

export const signCopy = (
  { keys: [first] }: ItemSealer,
  time: number,
  entries: readonly (readonly [string, string])[],
): Promise<Bytes> => first.sign(FORMAT, JSON.stringify({ time, states: Object.fromEntries(entries) }))

/** A state in it still is to be opened under its own name. @throws `ERR_RECORD_INVALID`, `ERR_WRAPPING_KEY_MISSING`. */
export async function readCopy(sealer: ItemSealer, bytes: Bytes): Promise<Copy> {
  const { time, states } = parseJson(await sealer.verify(FORMAT, bytes)) as {
    readonly time: number
    readonly states: Readonly<Record<string, string>>
  }
  return { time, states: new Map(Object.entries(states).map(([name, state]) => [name, utf8(state)])) }
}
