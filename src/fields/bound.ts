/** What a value of a table is bound to, and what an index is made of: lists of texts, as bytes that no other list gives (docs/formats.md). */
import type { Bytes } from '../core/bytes.ts'
import { concat, utf8 } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'

/** `users.email`: a table and a column, each without a dot. */
export type ColumnName = `${string}.${string}`

/** Each text stands behind the length of its UTF-8 in four bytes. @throws `ERR_TEXT_INVALID`. */
export function parts(texts: readonly string[]): Bytes {
  return concat(
    ...texts.flatMap((text) => {
      const bytes = utf8(wellFormed(text))
      return [u32(bytes.length), bytes]
    }),
  )
}

/** Four bytes, big-endian. */
function u32(value: number): Bytes {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

/** @throws `ERR_REQUEST_INVALID`. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  throw new KeyringError('ERR_REQUEST_INVALID', 'The value of a field, or a tenant, is something else than a text.', {
    remedy: 'Make a text of it before, such as JSON.',
  })
}

/** A lone surrogate has no UTF-8: two texts would give the same bytes. @throws `ERR_REQUEST_INVALID`, `ERR_TEXT_INVALID`. */
export function wellFormed(value: unknown): string {
  const text = textOf(value)
  if (text.isWellFormed()) return text
  throw new KeyringError('ERR_TEXT_INVALID', 'A text has half a character (a lone surrogate).', {
    remedy: 'Correct the text where it comes from.',
  })
}

/** @throws a TypeError for a name that is none: it is part of the program. */
export function columnName(name: string): readonly [table: string, column: string] {
  const [table, column, ...more] = name.split('.')
  if (!table || !column || more.length > 0) throw new TypeError('A column is named <table>.<column>.')
  return [table, column]
}

export const columnContext = (name: ColumnName): Bytes => parts(['ekf1/column', ...columnName(name)])

export const rowContext = (table: string, column: string, id: string): Bytes => parts(['ekf1/row', table, column, id])

/** Whether a text means to be a value of ours, be it altered or cut. */
export const isOurs = (text: string): boolean => text.startsWith('ek1.')
