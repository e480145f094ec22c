/**
 * The columns of a table as encrypted fields. `column` binds a value to its table and column, for the codecs of ORMs, which see no row:
 * whoever can write to the database may still swap two values of the column. `rowFields` binds the row too.
 */
import type { Awaitable } from '../core/awaitable.ts'
import { andThen, atOnce } from '../core/awaitable.ts'
import { decodeUtf8, utf8 } from '../core/bytes.ts'
import type { Bytes } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import type { ColumnName } from './bound.ts'
import { columnContext, isOurs, parts, rowContext, textOf, wellFormed } from './bound.ts'

/** What is asked of a keyring here. */
export interface FieldKeyring {
  encrypt(plaintext: Bytes, context: Bytes): Awaitable<{ readonly ciphertext: string }>
  decrypt(ciphertext: string, context: Bytes): Awaitable<{ readonly plaintext: Bytes }>
}

/** One that answers at once, such as that of `keyring/synchronous.ts`. */
export interface SyncFieldKeyring {
  encrypt(plaintext: Bytes, context: Bytes): { readonly ciphertext: string }
  decrypt(ciphertext: string, context: Bytes): { readonly plaintext: Bytes }
}

export interface FieldOptions {
  /**
   * 'pass' = what is not encrypted yet is given as it is, and counted. Whoever can write to the database can then put texts of
   * his own in the place of values: it is for the time of a migration. Absent = it is refused.
   */
  readonly plaintext?: 'pass'
}

/** Values that were let through because they are not encrypted. */
interface Passed {
  readonly passed: number
}

export interface Column extends Passed {
  seal(value: string): Promise<string>
  seal<Absent extends null | undefined>(value: string | Absent): Promise<string | Absent>
  /** @throws `ERR_CIPHERTEXT_INVALID`, and what `decrypt` throws. */
  open(value: string): Promise<string>
  open<Absent extends null | undefined>(value: string | Absent): Promise<string | Absent>
}

/** Both keep a value that is null or undefined as it is. */
export function column(keyring: FieldKeyring, name: ColumnName, options: FieldOptions = {}): Column {
  const context = columnContext(name)
  const codec = new Codec(keyring, options)
  return {
    get passed() {
      return codec.passed
    },
    seal: async (value: string | null | undefined) => codec.seal(value, context) as Promise<never>,
    open: async (value: string | null | undefined) => codec.open(value, context) as Promise<never>,
  }
}

/** It stands by itself, as a codec wants it. */
interface Through {
  (value: string): string
  <Absent extends null | undefined>(value: string | Absent): string | Absent
}

export interface SyncColumn extends Passed {
  readonly seal: Through
  /** @throws `ERR_CIPHERTEXT_INVALID`, and what `decrypt` throws. */
  readonly open: Through
}

/** The same for codecs that cannot wait; both read what the other wrote. @throws a TypeError for a keyring whose answers have to be waited for. */
export function columnSync(keyring: SyncFieldKeyring, name: ColumnName, options: FieldOptions = {}): SyncColumn {
  if ('sync' in keyring) throw new TypeError('columnSync takes keyring.sync.')
  const context = columnContext(name)
  const codec = new Codec(keyring, options)
  return {
    get passed() {
      return codec.passed
    },
    seal: (value: string | null | undefined) => atOnce(codec.seal(value, context)) as never,
    open: (value: string | null | undefined) => atOnce(codec.open(value, context)) as never,
  }
}

export interface Fields<Row extends object> extends Passed {
  /** The row with the columns encrypted; others, and columns that it lacks, stay. @throws `ERR_REQUEST_INVALID` without an id. */
  seal<Given extends Partial<Row>>(row: Given): Promise<Given>
  open<Given extends Partial<Row>>(row: Given): Promise<Given>
}

export interface FieldRules<Row extends object> extends FieldOptions {
  readonly columns: readonly (keyof Row & string)[]
  /** What tells the row from every other one of the table, and never changes. Where the database makes ids, a column that is set before. */
  readonly id: (row: Partial<Row>) => string | number | bigint | null | undefined
}

export function rowFields<Row extends object>(
  keyring: FieldKeyring,
  table: string,
  { columns, id, ...options }: FieldRules<Row>,
): Fields<Row> {
  const codec = new Codec(keyring, options)
  for (const name of columns) parts([table, name])
  const each = async <Given extends Partial<Row>>(row: Given, work: 'seal' | 'open'): Promise<Given> => {
    if (!isRow(row))
      throw new KeyringError('ERR_REQUEST_INVALID', `A row of "${table}" is none.`, {
        remedy: 'Give one row, and look whether the query found it.',
      })
    // Also what a class computes for each of its objects.
    const there = columns.filter((name) => name in row)
    if (there.length === 0) return { ...row }
    const name = idText(table, id(row))
    const changed = there.map(async (column) => {
      const value: unknown = row[column]
      return [column, await codec[work](value, rowContext(table, column, name))] as const
    })
    return { ...row, ...Object.fromEntries(await Promise.all(changed)) }
  }
  return {
    get passed() {
      return codec.passed
    },
    seal: (row) => each(row, 'seal'),
    open: (row) => each(row, 'open'),
  }
}

const isRow = (row: unknown): boolean =>
  typeof row === 'object' && row !== null && !(Symbol.iterator in row || row instanceof Promise)

/** A number is bound as its digits, so that it does not matter which of its types a driver gives. */
function idText(table: string, id: unknown): string {
  if (typeof id === 'bigint' || (typeof id === 'number' && Number.isSafeInteger(id))) return String(id)
  if (typeof id === 'string' && id !== '') return id
  throw new KeyringError('ERR_REQUEST_INVALID', `A row of "${table}" has no id that its values can be bound to.`, {
    remedy:
      'Give the row its id before it is sealed, or bind to a column that is set before the insert; read that column too.',
  })
}

class Codec implements Passed {
  passed = 0
  readonly #keyring: FieldKeyring
  readonly #passes: boolean

  constructor(keyring: FieldKeyring, { plaintext }: FieldOptions) {
    this.#keyring = keyring
    this.#passes = plaintext === 'pass'
  }

  seal(value: unknown, context: Bytes): Awaitable<string | null | undefined> {
    if (value === null || value === undefined) return value
    return andThen(this.#keyring.encrypt(utf8(wellFormed(value)), context), ({ ciphertext }) => ciphertext)
  }

  open(value: unknown, context: Bytes): Awaitable<string | null | undefined> {
    if (value === null || value === undefined) return value
    const text = textOf(value)
    if (this.#passes && !isOurs(text)) {
      this.passed += 1
      return text
    }
    return andThen(this.#keyring.decrypt(text, context), ({ plaintext }) => textIn(plaintext))
  }
}

function textIn(plaintext: Bytes): string {
  const text = decodeUtf8(plaintext)
  if (text === null) throw new KeyringError('ERR_TEXT_INVALID', 'The plaintext is not UTF-8.')
  return text
}
