/** Columns as encrypted fields, and look-ups of them by value, with both ciphers: in plain objects and in a table of SQLite. */
import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import { indexMac } from '../../src/crypto/blind-index.ts'
import { systemClock } from '../../src/core/clock.ts'
import { decryptEk1, ek1Key, parseEk1 } from '../../src/crypto/ek1.ts'
import { Encryptor } from '../../src/crypto/encryptor.ts'
import { materialFromString } from '../../src/crypto/material.ts'
import { columnContext, rowContext } from '../../src/fields/bound.ts'
import type { ColumnName } from '../../src/fields/bound.ts'
import { column, columnSync, rowFields } from '../../src/fields/fields.ts'
import type { FieldKeyring } from '../../src/fields/fields.ts'
import { lookups } from '../../src/fields/lookups.ts'
import type { IndexKeyring, IndexRules } from '../../src/fields/lookups.ts'
import { normalised } from '../../src/fields/normalisers.ts'
import type { Normaliser } from '../../src/fields/normalisers.ts'
import { indexing } from '../../src/keyring/indexing.ts'
import { synchronous } from '../../src/keyring/synchronous.ts'
import { PLAIN_SYNC, keyringOn, world } from '../support/authority.ts'
import { CIPHERS } from '../support/ciphers.ts'
import { keyString } from '../support/syncing.ts'

type Primitives = (typeof CIPHERS)[number]

/** The keys `a` and `b`; `a` is active. */
function memoryKeyring(
  { cipher, hash }: Primitives,
  given: Readonly<Record<string, string>> = {},
): FieldKeyring & IndexKeyring {
  const strings: Readonly<Record<string, string>> = { a: keyString('a'), b: keyString('b'), ...given }
  const material = (id: string) => materialFromString(cipher, hash, strings[id] ?? expect.unreachable())
  return {
    async encrypt(plaintext, context) {
      return {
        ciphertext: await new Encryptor(cipher, systemClock).encrypt(
          await ek1Key(cipher, 'a', await material('a')),
          plaintext,
          context,
        ),
      }
    },
    async decrypt(ciphertext, context) {
      const value = parseEk1(ciphertext)
      const key = await ek1Key(cipher, value.id, await material(value.id))
      return { plaintext: await decryptEk1(cipher, key, value, context) }
    },
    index: async (id, message) => indexMac(cipher, hash, await material(id), message),
  }
}

const code = (expected: string) => expect.objectContaining({ code: expected })

interface User {
  readonly id: number | bigint | string | null | undefined
  readonly email: string | null
  readonly iban: string | null
  readonly note: string
}

interface Vectors {
  readonly id: string
  readonly key: string
  readonly contexts: readonly { readonly of: readonly string[]; readonly hex: string }[]
  readonly indexes: readonly {
    readonly column: ColumnName
    readonly bits: number
    readonly normalise: Normaliser
    readonly tenant: string | null
    readonly value: string
    readonly index: string
  }[]
}
const VECTORS = JSON.parse(readFileSync('test/vectors/ekb1.json', 'utf8')) as Vectors

it('what values are bound to is as specified', () => {
  const [column, row] = VECTORS.contexts
  expect(toHex(columnContext('users.email'))).toBe(column?.hex)
  expect(toHex(rowContext('users', 'email', '17'))).toBe(row?.hex)
})

describe.each(CIPHERS)('with $name', (primitives) => {
  const keyring = memoryKeyring(primitives)

  describe('a column', () => {
    it('seals and opens texts, in any order, and keeps what is absent', async () => {
      const email = column(keyring, 'users.email')
      for (const value of ['ann@example.org', '', 'grüße 🌍', 'ek1.a.x']) {
        const sealed = await email.seal(value)
        expect(sealed).toMatch(/^ek1\.a\./)
        expect(await email.open(sealed)).toBe(value)
      }
      expect([await email.seal(null), await email.open(null), await email.seal(undefined)]).toEqual([
        null,
        null,
        undefined,
      ])
    })

    it('binds table and column, whatever their names are made of, and not the row', async () => {
      const sealed = await column(keyring, 'ab.c').seal('x')
      for (const other of ['a.bc', 'ab.d', 'ab.C'] as const)
        await expect(column(keyring, other).open(sealed)).rejects.toThrow(code('ERR_DECRYPT_FAILED'))
      expect(await column(keyring, 'ab.c').open(sealed)).toBe('x')
      await expect(keyring.decrypt(sealed, utf8('ab.c'))).rejects.toThrow(code('ERR_DECRYPT_FAILED'))
      for (const name of ['users', 'a.b.c', '.c', 'a.'])
        expect(() => column(keyring, name as ColumnName)).toThrow('A column is named <table>.<column>.')
    })

    it('refuses what is not encrypted, unless it is asked to pass it; then it counts it, and what was cut is refused still', async () => {
      await expect(column(keyring, 'users.email').open('ann@example.org')).rejects.toThrow(
        code('ERR_CIPHERTEXT_INVALID'),
      )
      const passing = column(keyring, 'users.email', { plaintext: 'pass' })
      expect([await passing.open('ann@example.org'), await passing.open(''), passing.passed]).toEqual([
        'ann@example.org',
        '',
        2,
      ])
      const sealed = await passing.seal('x')
      expect(await passing.open(sealed)).toBe('x')
      for (const cut of ['ek1.', 'ek1.a.', sealed.slice(0, -4)])
        await expect(passing.open(cut)).rejects.toThrow(code('ERR_CIPHERTEXT_INVALID'))
      expect(passing.passed).toBe(2)
    })

    it('takes well-formed text alone', async () => {
      const email = column(keyring, 'users.email')
      await expect(email.seal('\ud800')).rejects.toThrow(code('ERR_TEXT_INVALID'))
      await expect(email.seal(17 as never)).rejects.toThrow(code('ERR_REQUEST_INVALID'))
      const { ciphertext } = await keyring.encrypt(new Uint8Array([0xff]), columnContext('users.email'))
      await expect(email.open(ciphertext)).rejects.toThrow(code('ERR_TEXT_INVALID'))
    })
  })

  describe('fields', () => {
    const users = rowFields<User>(keyring, 'users', { columns: ['email', 'iban'], id: (row) => row.id })
    const ann: User = { id: 17, email: 'ann@example.org', iban: null, note: 'plain' }

    it('seal the columns of a row, and open them again', async () => {
      const sealed = await users.seal(ann)
      expect(sealed).toEqual({ ...ann, email: expect.stringMatching(/^ek1\.a\./) })
      expect(await users.open(sealed)).toEqual(ann)
      expect(await users.seal({ note: 'of an update' })).toEqual({ note: 'of an update' })
      expect(Object.keys(await users.seal({ id: 17, iban: 'DE00' }))).toEqual(['id', 'iban'])
    })

    it('bind table, column and row, and an id whatever type a driver gives it', async () => {
      const { email } = await users.seal(ann)
      for (const same of [17n, '17'])
        expect(await users.open({ id: same, email })).toEqual({ id: same, email: ann.email })
      const moved = [
        () => users.open({ id: 18, email }),
        () => users.open({ id: 17, iban: email }),
        () => rowFields<User>(keyring, 'admins', { columns: ['email'], id: ({ id }) => id }).open({ id: 17, email }),
        () => column(keyring, 'users.email').open(email),
      ]
      for (const open of moved) await expect(open()).rejects.toThrow(code('ERR_DECRYPT_FAILED'))
    })

    it.each([[undefined], [null], [''], [1.5], [Number.NaN], [2 ** 53]])('refuse a row whose id is %s', async (id) => {
      await expect(users.seal({ ...ann, id })).rejects.toThrow(code('ERR_REQUEST_INVALID'))
      await expect(users.open({ email: 'ek1.a.x', ...(id !== undefined && { id }) })).rejects.toThrow(
        code('ERR_REQUEST_INVALID'),
      )
    })

    it('refuse what is no row, and a value that is no text', async () => {
      const row = { id: 1, email: 'x' }
      const none = [undefined, null, [row], 'x', 5, Promise.resolve(row), new Map(Object.entries(row))]
      for (const row of none)
        for (const work of ['seal', 'open'] as const)
          await expect(users[work](row as never)).rejects.toThrow(code('ERR_REQUEST_INVALID'))
      await expect(users.seal({ id: 1, email: 5 as never })).rejects.toThrow(code('ERR_REQUEST_INVALID'))
    })

    it('seal also what a class computes for each of its objects', async () => {
      class Person {
        readonly id = 17
        get email() {
          return 'ann'
        }
      }
      const sealed = await users.seal(new Person())
      expect(sealed.email).toMatch(/^ek1\./)
      expect(await users.open(sealed)).toEqual({ id: 17, email: 'ann' })
    })

    it('open(seal(row)) is the row, for any texts and ids', async () => {
      const text = fc.option(fc.string({ unit: 'binary' }).filter((given) => given.isWellFormed()))
      const id = fc.oneof(fc.integer(), fc.bigInt(), fc.string({ minLength: 1 }))
      const property = fc.asyncProperty(id, text, text, async (id, email, iban) => {
        const row = { id, email, iban, note: '' }
        expect(await users.open(await users.seal(row))).toEqual(row)
      })
      await fc.assert(property, { numRuns: 30 })
    })

    it('count what they let through', async () => {
      const passing = rowFields<User>(keyring, 'users', {
        columns: ['email', 'iban'],
        id: ({ id }) => id,
        plaintext: 'pass',
      })
      expect(await passing.open({ ...ann, iban: 'DE00' })).toEqual({ ...ann, iban: 'DE00' })
      expect(passing.passed).toBe(2)
    })
  })

  describe('an index', () => {
    it.each(VECTORS.indexes)(
      'is as specified: $column $bits $normalise',
      async ({ column, bits, normalise, tenant, value, index }) => {
        const { id, key } = VECTORS
        const rule = { keys: [id], bits, normalise, perTenant: tenant !== null } as const
        const on = lookups(memoryKeyring(primitives, { [id]: key }), { [column]: rule })
        expect(await on.index(column, value, tenant === null ? {} : { tenant })).toBe(index)
      },
    )

    it('moves to the one that a row is to have: none where its value is none', async () => {
      const on = lookups(keyring, { 'users.email': { keys: ['a'], bits: 128, normalise: 'lower' } })
      const own = await on.index('users.email', 'x')
      expect(await on.moveIndex('users.email', 'x', 'another')).toBe(own)
      expect(await on.moveIndex('users.email', 'x', own)).toBeUndefined()
      expect(await on.moveIndex('users.email', null, own)).toBeNull()
      expect(await on.moveIndex('users.email', null, null)).toBeUndefined()
    })

    it('differs by column, key, bits, normaliser, tenant and value, and never by row', async () => {
      const rule: IndexRules = { keys: ['a'], bits: 128, normalise: 'lower' }
      const of = (name: ColumnName, more: Partial<IndexRules>, value = 'x', tenant?: string) =>
        lookups(keyring, { [name]: { ...rule, ...more } }).index(name, value, tenant === undefined ? {} : { tenant })
      const all = [
        await of('users.email', {}),
        await of('users.mail', {}),
        await of('user.semail', {}),
        await of('users.email', { keys: ['b'] }),
        await of('users.email', { bits: 129 }),
        await of('users.email', { normalise: 'exact' }),
        await of('users.email', { perTenant: true }, 'x', 't'),
        await of('users.email', { perTenant: true }, 'x', ''),
        await of('users.email', {}, 'y'),
      ]
      const macs = all.map((index) => index?.split('.')[1]?.slice(0, 20))
      expect(new Set(macs).size).toBe(all.length)
      expect(await of('users.email', {}, ' X ')).toBe(all[0])
      expect(await lookups(keyring, { 'users.email': rule }).index('users.email', null)).toBeNull()
    })

    it('wants the tenant that it was declared with, a value of which something is left, and a declaration without a mistake', async () => {
      const rule: IndexRules = { keys: ['a'], bits: 32, normalise: 'digits' }
      const of = (more: object = {}) => lookups(keyring, { 'users.phone': { ...rule, ...more } })
      await expect(of().index('users.phone', '1', { tenant: 't' })).rejects.toThrow('takes no tenant')
      await expect(of({ perTenant: true }).where('users.phone', '1')).rejects.toThrow('takes a tenant')
      await expect(of().index('users.phone', 'canary')).rejects.toThrow(
        expect.objectContaining({ code: 'ERR_REQUEST_INVALID', message: expect.not.stringContaining('canary') }),
      )
      await expect(of().index('users.other' as 'users.phone', '1')).rejects.toThrow('There is no index')
      const refused = code('ERR_REQUEST_INVALID')
      for (const value of [undefined, 5, {}] as never[]) {
        await expect(of().index('users.phone', value)).rejects.toThrow(refused)
        await expect(of().where('users.phone', value)).rejects.toThrow(refused)
        await expect(of().moveIndex('users.phone', value, null)).rejects.toThrow(refused)
      }
      await expect(of().where('users.phone', null as never)).rejects.toThrow(refused)
      for (const tenant of [null, 5, undefined] as never[])
        await expect(of({ perTenant: true }).index('users.phone', '1', { tenant })).rejects.toThrow(refused)
      for (const wrong of [
        { keys: [] },
        { keys: ['a', 'a'] },
        { keys: ['a.b c'] },
        { bits: 7 },
        { bits: 257 },
        { bits: 8.5 },
        { normalise: 'toString' },
      ])
        expect(() => of(wrong)).toThrow(TypeError)
    })

    it('looks for a plaintext only while one is let through, and never for what begins as our values do', async () => {
      const rule: IndexRules = { keys: ['a', 'b'], bits: 32, normalise: 'lower' }
      const strict = lookups(keyring, { 'users.email': rule })
      const passing = lookups(keyring, { 'users.email': { ...rule, plaintext: 'pass' } })
      expect(await strict.where('users.email', 'A@x')).toEqual({
        index: [expect.stringMatching(/^a\./), expect.stringMatching(/^b\./)],
        plaintext: null,
      })
      expect(await passing.where('users.email', 'A@x')).toMatchObject({ plaintext: 'A@x' })
      const sealed = await column(keyring, 'users.email').seal('A@x')
      expect(await passing.where('users.email', sealed)).toMatchObject({ plaintext: null })
    })
  })
})

it('a text of n bytes takes 56 more, in base64url, behind the key id: 88 at 32', async () => {
  const [primitives = expect.unreachable()] = CIPHERS
  for (const n of [0, 1, 32, 100]) {
    const sealed = await column(memoryKeyring(primitives), 'users.email').seal('x'.repeat(n))
    expect(parseEk1(sealed).payload).toHaveLength(n + 56)
    expect(sealed).toHaveLength(5 + 'a'.length + Math.ceil((4 * (n + 56)) / 3))
  }
})

it('a column for codecs that cannot wait answers at once, and reads what the other has written', async () => {
  const on = world(['a:1'])
  const keyring = await keyringOn(on)
  await keyring.sync(PLAIN_SYNC)
  const later = column(keyring, 'users.email')
  const email = columnSync(await synchronous(keyring), 'users.email', { plaintext: 'pass' })
  const sealed = email.seal('grüße')
  expect([await later.open(sealed), email.open(await later.seal('grüße'))]).toEqual(['grüße', 'grüße'])
  expect([email.seal(null), email.open(null), email.seal(undefined), email.open('x'), email.passed]).toEqual([
    null,
    null,
    undefined,
    'x',
    1,
  ])
  const other = columnSync(await synchronous(keyring), 'users.phone')
  expect(() => other.open(sealed)).toThrow(code('ERR_DECRYPT_FAILED'))
  expect(() => other.open('x')).toThrow(code('ERR_CIPHERTEXT_INVALID'))
  expect(() => other.seal('\ud800')).toThrow(code('ERR_TEXT_INVALID'))
  on.clock.time += 2000
  expect(() => email.seal('x')).toThrow(code('ERR_SNAPSHOT_STALE'))
})

it('such a column of an instance that has just begun has its key once the keyring was asked whether it is usable', async () => {
  const on = world(['a:1'])
  await (await keyringOn(on)).sync(PLAIN_SYNC)
  const keyring = await keyringOn(on)
  const email = columnSync(await synchronous(keyring), 'users.email')
  expect(() => email.seal('x')).toThrow(code('ERR_SNAPSHOT_STALE'))
  const begun = await keyringOn(on)
  const asked = columnSync(await synchronous(begun), 'users.email')
  expect(await begun.isUsable()).toBe(true)
  expect(asked.open(asked.seal('x'))).toBe('x')
})

it('normalisers look at ASCII alone, so that no version of Unicode changes them', () => {
  for (const by of ['lower', 'alnum', 'digits'] as const) {
    const property = fc.property(fc.string({ unit: 'binary' }), (text) => {
      const once = normalised(by, text)
      expect(normalised(by, once)).toBe(once)
      const foreign = (from: string) => Array.from(from.matchAll(/[^\0-\x7f]/gu), String).join('')
      expect(foreign(once)).toBe(by === 'lower' ? foreign(text) : '')
    })
    fc.assert(property)
  }
  expect(normalised('lower', ' İSTANBUL K\u212A\u00a0')).toBe('İstanbul k\u212A\u00a0')
})

describe('in a table of SQLite', () => {
  const [primitives = expect.unreachable()] = CIPHERS
  const NAME = 'users.email'
  const PHASES = ([['a'], ['a', 'b'], ['b', 'a'], ['b']] as const).map((keys) =>
    lookups(memoryKeyring(primitives), { [NAME]: { keys, bits: 128, normalise: 'lower' } }),
  )

  function table() {
    const database = new DatabaseSync(':memory:')
    database.exec('CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, email_index TEXT UNIQUE)')
    return {
      insert: (email: string, index: string | null) =>
        database.prepare('INSERT INTO users (email, email_index) VALUES (?, ?)').run(email, index),
      find: ({ index }: { readonly index: readonly string[] }) =>
        database
          .prepare(`SELECT id, email FROM users WHERE email_index IN (${index.map(() => '?').join()})`)
          .all(...index),
      rows: () =>
        database.prepare('SELECT id, email, email_index FROM users').all() as {
          id: number
          email: string
          email_index: string
        }[],
      reindex: (id: number, index: string | null) =>
        database.prepare('UPDATE users SET email_index = ? WHERE id = ?').run(index, id),
    }
  }

  it('every row is found, before, during and after a move of the key, by instances that differ by one step', async () => {
    const email = column(memoryKeyring(primitives), NAME)
    const steps = fc.array(fc.tuple(fc.nat(1), fc.nat(1)), { minLength: 4, maxLength: 12 })
    const property = fc.asyncProperty(steps, async (steps) => {
      const users = table()
      const written: string[] = []
      const at = (index: number) => PHASES[Math.min(3, Math.floor((index / steps.length) * 4))] ?? expect.unreachable()
      for (const [index, [writer, reader]] of steps.entries()) {
        const phase = Math.floor((index / steps.length) * 4)
        if (phase === 3)
          for (const row of users.rows()) {
            const moved = await (PHASES[2] ?? expect.unreachable()).moveIndex(
              NAME,
              await email.open(row.email),
              row.email_index,
            )
            if (typeof moved === 'string') users.reindex(row.id, moved)
          }
        const one = (late: number) => (late === 1 && phase > 0 ? (PHASES[phase - 1] ?? at(index)) : at(index))
        const value = `User${index}@example.org`
        users.insert(await email.seal(value), await one(writer).index(NAME, value))
        written.push(value)
        for (const each of written) {
          const found = users.find(await one(reader).where(NAME, each.toUpperCase()))
          expect(await Promise.all(found.map((row) => email.open(String(row['email']))))).toEqual([each])
        }
      }
    })
    await fc.assert(property, { numRuns: 25 })
  })

  it('what is unique stays so over a rotation, because the key of the index is pinned', async () => {
    const on = world(['a:1'])
    const keyring = await keyringOn(on)
    await keyring.sync(PLAIN_SYNC)
    const indexes = indexing(keyring, primitives)
    const users = table()
    const rules = { [NAME]: { keys: ['a'], bits: 128, normalise: 'lower' } } as const
    const insert = async (value: string) =>
      users.insert(await column(keyring, NAME).seal(value), await lookups(indexes, rules).index(NAME, value))
    await insert('ann@example.org')
    on.versions = ['a:1', 'b:2']
    await keyring.sync(PLAIN_SYNC)
    await insert('bob@example.org')
    expect(users.rows().map(({ email }) => parseEk1(email).id)).toEqual(['a', 'b'])
    await expect(insert('Ann@example.org')).rejects.toThrow('UNIQUE')
    expect(users.find(await lookups(indexes, rules).where(NAME, 'ANN@example.org'))).toHaveLength(1)
    const unknown = lookups(indexes, { [NAME]: { ...rules[NAME], keys: ['z'] } })
    await expect(unknown.where(NAME, 'x')).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
  })
})
