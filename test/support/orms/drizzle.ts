/** Drizzle, by its driver for whatever answers SQL. */
import { asc, eq, inArray, or, sql } from 'drizzle-orm'
import { customType, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { drizzle } from 'drizzle-orm/sqlite-proxy'
import { columnSync } from '../../../src/fields/fields.ts'
import type { SyncColumn } from '../../../src/fields/fields.ts'
import type { OpenOrm, Sought } from './orm.ts'

export const drizzleOrm: OpenOrm = ({ database, sync, options }) => {
  const db = drizzle(async (sql, parameters, method) => {
    const statement = database.prepare(sql)
    statement.setReturnArrays(true)
    const rows: unknown = method === 'get' ? statement.get(...parameters) : statement.all(...parameters)
    return { rows: rows as unknown[] }
  })

  const email = columnSync(sync, 'users.email', options)
  const phone = columnSync(sync, 'users.phone', options)

  const sealed = ({ seal, open }: SyncColumn) =>
    customType<{ data: string }>({ dataType: () => 'text', toDriver: seal, fromDriver: open })()
  const users = sqliteTable('users', {
    id: integer().primaryKey(),
    email: sealed(email),
    phone: sealed(phone),
    emailIndex: text('email_index'),
  })

  const found = ({ index, plaintext }: Sought) =>
    db
      .select()
      .from(users)
      .where(or(inArray(users.emailIndex, [...index]), sql`${users.email} = ${plaintext}`))

  const accounts = sqliteTable('accounts', { id: text().primaryKey(), iban: text() })
  return {
    insert: async (user) => db.insert(users).values(user),
    update: async (id, user) => db.update(users).set(user).where(eq(users.id, id)),
    users: async () => db.select().from(users).orderBy(asc(users.id)),
    find: async (sought) => found(sought),
    passed: () => email.passed,
    open: async (account) => db.insert(accounts).values(account),
    account: async (id) => (await db.select().from(accounts).where(eq(accounts.id, id)))[0] ?? null,
  }
}
