/** Encrypted fields and look-ups by the ORMs whose one line docs/fields.md shows, on SQLite, with a whole keyring behind them. */
import { globSync, readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { parseEk1 } from '../../src/crypto/ek1.ts'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import type { Column, FieldOptions } from '../../src/fields/fields.ts'
import { column, rowFields } from '../../src/fields/fields.ts'
import type { Lookups } from '../../src/fields/lookups.ts'
import { lookups } from '../../src/fields/lookups.ts'
import { indexing } from '../../src/keyring/indexing.ts'
import { synchronous } from '../../src/keyring/synchronous.ts'
import { PLAIN_SYNC, keyringOn, world } from '../support/authority.ts'
import { drizzleOrm } from '../support/orms/drizzle.ts'
import type { Account, OpenOrm } from '../support/orms/orm.ts'
import { TABLES } from '../support/orms/orm.ts'
import { prismaClient, prismaOrm } from '../support/orms/prisma.ts'
import { typeOrm } from '../support/orms/typeorm.ts'

const ORMS: readonly (readonly [string, OpenOrm])[] = [
  ['Drizzle', drizzleOrm],
  ['TypeORM', typeOrm],
  ['Prisma', prismaOrm],
]
const NAME = 'users.email'
const ANN = { email: 'ann@example.org', phone: '+49 30 1', emailIndex: null }
const BOB = { email: 'bob@example.org', phone: null, emailIndex: null }
const code = (expected: string) => expect.objectContaining({ code: expected })
/** An ORM may wrap what the database says. */
const UNIQUE = expect.toSatisfy((error: Error) => `${error.message} ${String(error.cause)}`.includes('UNIQUE'))

const databases: DatabaseSync[] = []
afterEach(() => {
  for (const database of databases.splice(0)) database.close()
})

interface Stored {
  readonly id: number
  readonly email: string
  readonly email_index: string | null
}

/** A table with rows, seen by the ORM and as it is stored. The keyring has the first key, and hears of the others by `rotate`. */
async function opened(open: OpenOrm, options: FieldOptions = {}, versions = ['a:1']) {
  const on = world(versions)
  const keyring = await keyringOn(on)
  await keyring.sync(PLAIN_SYNC)
  const database = new DatabaseSync(':memory:')
  databases.push(database)
  database.exec(TABLES)
  const given = { database, keyring, sync: await synchronous(keyring), options }
  const orm = await open(given)
  const rotate = async () => {
    on.versions = [...versions, `b:${versions.length + 1}`]
    await keyring.sync(PLAIN_SYNC)
  }
  const rule = { bits: 128, normalise: 'lower', ...options } as const
  const finder = (keys: readonly [string, ...string[]]) =>
    lookups(indexing(keyring, { cipher: nodeCipher, hash: nodeHash }), { [NAME]: { keys, ...rule } })
  return { given, orm, keyring, database, rotate, finder, email: column(keyring, NAME, options) }
}

const storedIn = (database: DatabaseSync) =>
  database.prepare('SELECT id, email, email_index FROM users ORDER BY id').all() as unknown as Stored[]

const keyIds = (database: DatabaseSync) => storedIn(database).map(({ email }) => parseEk1(email).id)

/** The loop of docs/fields.md. @param meanwhile is done once the rows have been read. */
async function rewritten(
  database: DatabaseSync,
  email: Column,
  find: Lookups<typeof NAME>,
  active: string,
  meanwhile = async () => {},
) {
  const all = async (sql: string) => {
    const rows = database.prepare(sql).all() as unknown as Stored[]
    await meanwhile()
    return rows
  }
  const run = (sql: string, ...values: (string | number | null)[]) => database.prepare(sql).run(...values)

  for (const { id, email: old, email_index: index } of await all(
    'SELECT id, email, email_index FROM users WHERE email IS NOT NULL',
  )) {
    const value = await email.open(old)
    const fresh = old.startsWith(`ek1.${active}.`) ? old : await email.seal(value)
    const moved = await find.moveIndex('users.email', value, index)
    const next = moved === undefined ? index : moved
    if (fresh !== old || next !== index)
      await run('UPDATE users SET email = ?, email_index = ? WHERE id = ? AND email = ?', fresh, next, id, old)
  }
}

describe.each(ORMS)('by %s', (_, open) => {
  it('what is written is encrypted, and read again; null stays null', async () => {
    const { orm, database } = await opened(open)
    await orm.insert(ANN)
    await orm.insert({ email: null, phone: '', emailIndex: null })
    await orm.update(1, { phone: null })
    expect(database.prepare('SELECT * FROM users').all()).toMatchObject([
      { id: 1, email: expect.stringMatching(/^ek1\.a\./), phone: null },
      { id: 2, email: null, phone: expect.stringMatching(/^ek1\.a\./) },
    ])
    expect(await orm.users()).toMatchObject([
      { id: 1, ...ANN, phone: null },
      { id: 2, email: null, phone: '', emailIndex: null },
    ])
  })

  it('a value is refused in another column, and not in another row of its own', async () => {
    const { orm, database } = await opened(open)
    await orm.insert(ANN)
    await orm.insert(BOB)
    const swap = database.prepare('UPDATE users SET email = ? WHERE id = 3 - ?')
    for (const { id, email } of storedIn(database)) swap.run(email, id)
    expect(await orm.users()).toMatchObject([{ email: BOB.email }, { email: ANN.email }])
    database.exec('UPDATE users SET phone = email WHERE id = 1')
    await expect(orm.users()).rejects.toThrow(code('ERR_DECRYPT_FAILED'))
  })

  it('a value of fields that bind the row is refused in another row', async () => {
    const { orm, keyring, database } = await opened(open)
    const accounts = rowFields<Account>(keyring, 'accounts', { columns: ['iban'], id: ({ id }) => id })
    const rows = [
      { id: 'x', iban: 'DE00' },
      { id: 'y', iban: null },
      { id: 'z', iban: 'DE01' },
    ]
    for (const row of rows) await orm.open(await accounts.seal(row))
    const read = async (id: string) => accounts.open((await orm.account(id)) ?? expect.unreachable())
    expect(await orm.account('x')).toMatchObject({ iban: expect.stringMatching(/^ek1\.a\./) })
    expect(await Promise.all(['x', 'y', 'z'].map(read))).toEqual(rows)
    database.exec(`UPDATE accounts SET iban = (SELECT iban FROM accounts WHERE id = 'z') WHERE id = 'x'`)
    await expect(read('x')).rejects.toThrow(code('ERR_DECRYPT_FAILED'))
  })

  it('every row is found, before, during and after a move of the index to another key, by instances that differ by one step', async () => {
    const PHASES = [['a'], ['a', 'b'], ['b', 'a'], ['b']] as const
    const property = fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(1), fc.nat(1)), { minLength: 4, maxLength: 8 }),
      async (steps) => {
        const { orm, database, finder, email } = await opened(open, {}, ['b:1', 'a:2'])
        const finders = PHASES.map(finder)
        const written: string[] = []
        for (const [at, [writer, reader]] of steps.entries()) {
          const phase = Math.floor((at / steps.length) * PHASES.length)
          const one = (late: number) => finders[Math.max(0, phase - late)] ?? expect.unreachable()
          if (phase === 3) await rewritten(database, email, one(1), 'a')
          const value = `User${at}@example.org`
          await orm.insert({ email: value, phone: null, emailIndex: await one(writer).index(NAME, value) })
          written.push(value)
          for (const each of written)
            expect(await orm.find(await one(reader).where(NAME, each.toUpperCase()))).toMatchObject([{ email: each }])
        }
        await rewritten(database, email, finders[3] ?? expect.unreachable(), 'a')
        expect(storedIn(database).filter((row) => row.email_index?.startsWith('b.'))).toHaveLength(steps.length)
      },
    )
    await fc.assert(property, { numRuns: 8 })
  })

  it('what is unique stays so over a rotation', async () => {
    const { orm, database, finder, rotate } = await opened(open)
    const find = finder(['a'])
    const insert = async (value: string) =>
      orm.insert({ email: value, phone: null, emailIndex: await find.index(NAME, value) })
    await insert('ann@example.org')
    await rotate()
    await insert('bob@example.org')
    await expect(insert('Ann@Example.org')).rejects.toThrow(UNIQUE)
    expect(keyIds(database)).toEqual(['a', 'b'])
    expect(await orm.find(await find.where(NAME, 'ANN@example.org'))).toMatchObject([{ email: 'ann@example.org' }])
  })

  it('a table in plain text is encrypted while it is used: its rows are read, counted and found', async () => {
    const { orm, database, finder, email } = await opened(open, { plaintext: 'pass' })
    const find = finder(['a'])
    database.exec(`INSERT INTO users (email) VALUES ('ann@example.org'), ('bob@example.org'), (NULL)`)
    await orm.insert({ email: 'cat@example.org', phone: null, emailIndex: await find.index(NAME, 'cat@example.org') })
    const found = async (value: string) => (await orm.find(await find.where(NAME, value))).map((user) => user.email)
    const emails = ['ann@example.org', 'bob@example.org', null, 'cat@example.org']
    expect((await orm.users()).map((user) => user.email)).toEqual(emails)
    expect(orm.passed()).toBe(2)
    for (const value of ['ann@example.org', 'cat@example.org']) expect(await found(value)).toEqual([value])
    await rewritten(database, email, find, 'a')
    const counted = orm.passed()
    expect((await orm.users()).map((user) => user.email)).toEqual(emails)
    for (const value of ['ann@example.org', 'cat@example.org']) expect(await found(value)).toEqual([value])
    expect(orm.passed()).toBe(counted)
    expect(storedIn(database).filter((row) => row.email !== null && !row.email.startsWith('ek1.a.'))).toEqual([])
  })

  it('plain text is refused where it is not asked for, and by the database itself where it checks for it', async () => {
    const { orm, database } = await opened(open)
    database.exec(`INSERT INTO users (email) VALUES ('ann@example.org')`)
    await expect(orm.users()).rejects.toThrow(code('ERR_CIPHERTEXT_INVALID'))
    expect(() => database.exec(`UPDATE users SET phone = '+49 30 1'`)).toThrow('CHECK')
  })

  it('keys rotate under a live table, and no row that was written meanwhile is overwritten', async () => {
    const { orm, database, finder, rotate, email } = await opened(open)
    const find = finder(['a'])
    for (const user of [ANN, BOB]) await orm.insert({ ...user, emailIndex: await find.index(NAME, user.email) })
    await rotate()
    expect(await orm.users()).toMatchObject([{ email: ANN.email }, { email: BOB.email }])
    const changed = { ...BOB, email: 'rob@example.org', emailIndex: await find.index(NAME, 'rob@example.org') }
    await rewritten(database, email, find, 'b', async () => void (await orm.update(2, changed)))
    expect(await orm.users()).toMatchObject([{ email: ANN.email }, { email: 'rob@example.org' }])
    expect(keyIds(database)).toEqual(['b', 'b'])
    const before = storedIn(database)
    await rewritten(database, email, find, 'b')
    expect(storedIn(database)).toEqual(before)
  })
})

it('what Prisma writes in other ways is encrypted as well', async () => {
  const { given, database } = await opened(prismaOrm)
  const { user } = prismaClient(given).prisma
  expect(await user.createMany({ data: [ANN, BOB] })).toEqual({ count: 2 })
  const rob = { email: 'rob@example.org' }
  expect(await user.upsert({ where: { id: 2 }, create: BOB, update: rob })).toMatchObject(rob)
  expect(await user.upsert({ where: { id: 3 }, create: BOB, update: rob })).toMatchObject(BOB)
  expect(keyIds(database)).toEqual(['a', 'a', 'a'])
  expect((await user.findMany({})).map(({ email }) => email)).toEqual([ANN.email, rob.email, BOB.email])
})

it('every example of docs/fields.md about ORMs is code that has run here', () => {
  const flat = (text: string) => text.replaceAll(/\s+/g, '').replaceAll(/,(?=[)\]}])/g, '')
  const page = readFileSync('docs/fields.md', 'utf8').split('\n## In an ORM')[1] ?? ''
  const examples = Array.from(page.matchAll(/```(?:ts|sql)\n(.*?)```/gs), ([, example = '']) => flat(example))
  const code = globSync('test/{support/orms/*,contract/orms.test}.ts').map((file) => flat(readFileSync(file, 'utf8')))
  expect(examples.length).toBeGreaterThan(3)
  expect(examples.filter((example) => !code.some((text) => text.includes(example)))).toEqual([])
})
