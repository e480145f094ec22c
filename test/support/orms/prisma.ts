/**
 * Prisma's own client and query compiler on node:sqlite. What `prisma generate` would write for two small models is written here, because the
 * command weighs 240 MB and downloads an engine. The extension was run on a client that 7.10.0 generated, too, with a driver of Prisma's own
 * (with PRISMA_SCHEMA_ENGINE_BINARY naming any file, nothing is downloaded).
 */
import { createRequire } from 'node:module'
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { getPrismaClient } from '@prisma/client/runtime/client'
import type { GetPrismaClientConfig, SqlDriverAdapterFactory } from '@prisma/client/runtime/client'
import { column } from '../../../src/fields/fields.ts'
import type { Account, OpenOrm, Sought, User } from './orm.ts'

/** It has no types. */
const compiler = (part: string): unknown =>
  createRequire(import.meta.url)(`@prisma/client/runtime/query_compiler_fast_bg.sqlite${part}`)

const field = (name: string, type: string, dbName?: string) => ({
  name,
  kind: 'scalar',
  type,
  ...(dbName && { dbName }),
})

/** The client asks no more of a model, whatever its type says. */
const model = (dbName: string, ...fields: readonly object[]) => ({ dbName, schema: null, fields }) as never

const CONFIG: GetPrismaClientConfig = {
  previewFeatures: [],
  clientVersion: '7.10.0',
  engineVersion: '',
  activeProvider: 'sqlite',
  inlineSchema: `
    datasource db {
      provider = "sqlite"
    }
    model User {
      id         Int     @id @default(autoincrement())
      email      String?
      phone      String?
      emailIndex String? @unique @map("email_index")
      @@map("users")
    }
    model Account {
      id   String  @id
      iban String?
      @@map("accounts")
    }`,
  runtimeDataModel: {
    models: {
      User: model(
        'users',
        field('id', 'Int'),
        field('email', 'String'),
        field('phone', 'String'),
        field('emailIndex', 'String', 'email_index'),
      ),
      Account: model('accounts', field('id', 'String'), field('iban', 'String')),
    },
    enums: {},
    types: {},
  },
  parameterizationSchema: { strings: [], graph: 'AAAA' },
  compilerWasm: {
    getRuntime: async () => compiler('.js') as never,
    getQueryCompilerWasmModule: async () => {
      const { wasm } = compiler('.wasm-base64.js') as { wasm: string }
      return new WebAssembly.Module(Buffer.from(wasm, 'base64'))
    },
    importName: './query_compiler_fast_bg.js',
  },
}

/** What the generated types would say of a model, as far as it is used here. */
interface Model<Row> {
  create(of: { data: Row }): Promise<Row>
  createMany(of: { data: Row[] }): Promise<{ count: number }>
  upsert(of: { where: object; create: Row; update: Partial<Row> }): Promise<Row>
  update(of: { where: object; data: Partial<Row> }): Promise<Row>
  findMany(of: { where?: object; orderBy?: object }): Promise<(Row & { id: number })[]>
  findUnique(of: { where: object }): Promise<Row | null>
}
interface Client {
  readonly user: Model<User>
  readonly account: Model<Account>
  $extends(extension: object): Client
}
interface Operation {
  readonly args: Readonly<Record<string, unknown>>
  readonly query: (args: object) => Promise<unknown>
}

const [INT, TEXT] = [0, 7] as const

function adapterOn(database: DatabaseSync): SqlDriverAdapterFactory {
  const named = { provider: 'sqlite', adapterName: 'node:sqlite' } as const
  const queries = {
    ...named,
    queryRaw: async ({ sql, args }: { sql: string; args: unknown[] }) => {
      const statement = database.prepare(sql)
      statement.setReturnArrays(true)
      const rows = statement.all(...(args as SQLInputValue[])) as unknown as unknown[][]
      const columnNames = statement.columns().map(({ name }) => name)
      const columnTypes = columnNames.map((_, at) => (rows.some((row) => typeof row[at] === 'number') ? INT : TEXT))
      return { columnNames, columnTypes, rows }
    },
    executeRaw: async ({ sql, args }: { sql: string; args: unknown[] }) =>
      Number(database.prepare(sql).run(...(args as SQLInputValue[])).changes),
  }
  const startTransaction = async () => {
    database.exec('BEGIN')
    return { ...queries, options: { usePhantomQuery: false }, commit: async () => {}, rollback: async () => {} }
  }
  const executeScript = async (script: string) => database.exec(script)
  return { ...named, connect: async () => ({ ...queries, startTransaction, executeScript, dispose: async () => {} }) }
}

export function prismaClient({ database, keyring, options }: Parameters<OpenOrm>[0]) {
  const client = new (getPrismaClient(CONFIG))({ adapter: adapterOn(database) }) as unknown as Client

  const columns = { email: column(keyring, 'users.email', options), phone: column(keyring, 'users.phone', options) }

  const all = async (work: 'seal' | 'open', given: unknown): Promise<unknown> => {
    if (Array.isArray(given)) return Promise.all(given.map((one) => all(work, one)))
    if (typeof given !== 'object' || given === null) return given
    const row: Record<string, unknown> = { ...given }
    for (const [name, { [work]: through }] of Object.entries(columns))
      if (name in row) row[name] = await through(row[name] as string | null)
    return row
  }
  const prisma = client.$extends({
    query: {
      user: {
        async $allOperations({ args, query }: Operation) {
          const sealed = { ...args }
          for (const part of ['data', 'create', 'update'])
            if (part in args) sealed[part] = await all('seal', args[part])
          return all('open', await query(sealed))
        },
      },
    },
  })

  const found = ({ index, plaintext }: Sought) =>
    prisma.user.findMany({
      where: { OR: [{ emailIndex: { in: index } }, ...(plaintext === null ? [] : [{ email: plaintext }])] },
    })

  return { prisma, found, columns }
}

export const prismaOrm: OpenOrm = (given) => {
  const { prisma, found, columns } = prismaClient(given)
  return {
    insert: (user) => prisma.user.create({ data: user }),
    update: (id, user) => prisma.user.update({ where: { id }, data: user }),
    users: () => prisma.user.findMany({ orderBy: { id: 'asc' } }),
    find: (sought) => found(sought),
    passed: () => columns.email.passed,
    open: (account) => prisma.account.create({ data: account }),
    account: (id) => prisma.account.findUnique({ where: { id } }),
  }
}
