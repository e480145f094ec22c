/** TypeORM, with what it asks of a driver on node:sqlite. */
import type { SQLInputValue } from 'node:sqlite'
import { DataSource, EntitySchema } from 'typeorm'
import { columnSync } from '../../../src/fields/fields.ts'
import type { SyncColumn } from '../../../src/fields/fields.ts'
import type { Account, OpenOrm, Sought, User } from './orm.ts'

export const typeOrm: OpenOrm = async ({ database, sync, options }) => {
  const driver = class {
    pragma() {}
    prepare(sql: string) {
      const statement = database.prepare(sql)
      return {
        reader: statement.columns().length > 0,
        all: (...parameters: SQLInputValue[]) => statement.all(...parameters),
        run: (...parameters: SQLInputValue[]) => statement.run(...parameters),
      }
    }
  }

  const accounts = new EntitySchema<Account>({
    name: 'accounts',
    columns: { id: { type: 'text', primary: true }, iban: { type: 'text', nullable: true } },
  })

  const email = columnSync(sync, 'users.email', options)
  const phone = columnSync(sync, 'users.phone', options)

  const sealed = ({ seal, open }: SyncColumn) =>
    ({ type: 'text', nullable: true, transformer: { to: seal, from: open } }) as const
  const users = new EntitySchema<User & { id: number }>({
    name: 'users',
    columns: {
      id: { type: 'integer', primary: true, generated: true },
      email: sealed(email),
      phone: sealed(phone),
      emailIndex: { type: 'text', name: 'email_index', nullable: true },
    },
  })

  const found = ({ index, plaintext }: Sought) =>
    repository
      .createQueryBuilder('user')
      .where('user.emailIndex IN (:...index) OR user.email = :plaintext', { index, plaintext })
      .getMany()

  const source = new DataSource({ type: 'better-sqlite3', database: ':memory:', driver, entities: [users, accounts] })
  await source.initialize()
  const [repository, opened] = [source.getRepository(users), source.getRepository(accounts)]

  return {
    insert: (user) => repository.save({ ...user }),
    update: (id, user) => repository.update(id, user),
    users: () => repository.find({ order: { id: 'ASC' } }),
    find: (sought) => found(sought),
    passed: () => email.passed,
    open: (account) => opened.insert(account),
    account: (id) => opened.findOneBy({ id }),
  }
}
