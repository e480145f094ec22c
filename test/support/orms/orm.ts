/** What a database library does for the tests of encrypted fields: two tables, one with codecs on its columns, one without. */
import type { DatabaseSync } from 'node:sqlite'
import type { FieldOptions } from '../../../src/fields/fields.ts'
import type { Keyring } from '../../../src/keyring/keyring.ts'
import type { SyncKeyring } from '../../../src/keyring/sync-keyring.ts'

export const TABLES = `
  CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    email TEXT,
    phone TEXT CHECK (phone LIKE 'ek1.%'),
    email_index TEXT UNIQUE
  );
  CREATE TABLE accounts (id TEXT PRIMARY KEY, iban TEXT);`

export interface User {
  readonly email: string | null
  readonly phone: string | null
  readonly emailIndex: string | null
}

export interface Account {
  readonly id: string
  readonly iban: string | null
}

/** What `where` of the look-ups gives. */
export interface Sought {
  readonly index: readonly string[]
  readonly plaintext: string | null
}

interface Orm {
  insert(user: User): Promise<unknown>
  /** What is absent stays. */
  update(id: number, user: Partial<User>): Promise<unknown>
  /** In the order of their ids. */
  users(): Promise<readonly (User & { readonly id: number })[]>
  find(sought: Sought): Promise<readonly User[]>
  /** Values that the codec of `email` let through. */
  passed(): number
  /** Whatever is given is stored. */
  open(account: Account): Promise<unknown>
  account(id: string): Promise<Account | null>
}

interface Given {
  readonly database: DatabaseSync
  readonly keyring: Keyring
  readonly sync: SyncKeyring
  readonly options: FieldOptions
}

export type OpenOrm = (given: Given) => Promise<Orm> | Orm
