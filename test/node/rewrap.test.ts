/** `edge-keyring rewrap`: files of values under an old key, in CSV and NDJSON, also when the process is killed at any moment. */
import { spawn } from 'node:child_process'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { text as streamText } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { columnContext, rowContext } from '../../src/fields/bound.ts'
import { RunOutput } from '../../functions/cli/run-output.ts'
import { startNode } from '../conformance/driver.ts'
import type { Ran } from '../support/cli.ts'
import { runCli } from '../support/cli.ts'
import { CLI } from '../support/local.ts'
import { smallDisk } from '../support/small-disk.ts'
import type { Rewrapping } from '../support/rewrapping.ts'
import { rewrapping, writeRows } from '../support/rewrapping.ts'

let kit: Rewrapping
beforeAll(async () => {
  kit = await rewrapping()
})
afterAll(() => kit.close())

const path = (name: string): string => join(kit.folder, name)
const text = (name: string): string => readFileSync(path(name), 'utf8')
const cli = (...words: string[]): Promise<Ran> => runCli(['rewrap', ...words], { cwd: kit.folder, env: kit.env })
const give = (name: string, content: string | Buffer): void => {
  for (const file of readdirSync(kit.folder)) if (file.startsWith('out.')) rmSync(path(file))
  writeFileSync(path(name), content)
}

interface Rewritten {
  readonly id: string
  readonly email: string
  readonly email_new: string
}

const rowsIn = (name: string): Rewritten[] =>
  name.endsWith('.csv')
    ? parse<Rewritten>(text(name), { columns: true, bom: true })
    : text(name)
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Rewritten)

describe('CSV', () => {
  it('keeps every row as it is, in its order, with the new value beside the old one, and leaves what is under the active key', async () => {
    const [a, b, c] = [await kit.old('a@x'), await kit.old('b@x'), await kit.fresh('c@x')]
    give(
      'in.csv',
      `\uFEFFid,"na""me",email\r\n1,"x,\r\ny",${a}\r\n\r\n2," ""quoted"" ",${b}\r\n3,grüße 🌍,${c}\r\n4,,\r\n`,
    )
    const ran = await cli('in.csv', 'out.csv', '--columns', 'email')
    expect([ran.code, ran.stdout]).toEqual([0, 'ok  4 rows, 2 values rewrapped, 1 under the active key already\n'])
    const [head, ...rows] = parse(text('out.csv'))
    expect(head).toEqual(['id', 'na"me', 'email', 'email_new'])
    expect(rows.map((row) => row.slice(0, 3))).toEqual([
      ['1', 'x,\r\ny', a],
      ['2', ' "quoted" ', b],
      ['3', 'grüße 🌍', c],
      ['4', '', ''],
    ])
    const fresh = rows.map((row) => row[3] ?? '')
    expect(fresh.slice(2)).toEqual([c, ''])
    for (const [at, plaintext] of ['a@x', 'b@x'].entries()) {
      expect(fresh[at]).toMatch(/^ek1\.second02\./)
      expect(await kit.plaintextOf(fresh[at] ?? '')).toBe(plaintext)
    }
    expect(readdirSync(kit.folder).filter((file) => file.startsWith('out.'))).toEqual(['out.csv'])
    expect(text('.edge-keyring/audit.log')).toMatch(
      /"action":"rewrap","keyring":"default","keyId":"second02","count":2,"outcome":"ok"/,
    )
  })

  it('names rows that are wrong by the line at which they begin, and does the others', async () => {
    const [good, other] = [await kit.old('good'), await kit.old('other', 'another context')]
    const rows = [`1,${good}`, '2,ek1.first001.canary', '"3\n3",plain canary', `4,${other}`, '5', `6,${good}`]
    give('in.csv', `id,email\n${rows.join('\n')}\n`)
    const { code, stdout, stderr } = await cli('in.csv', 'out.csv', '--columns', 'email')
    expect([code, stdout]).toEqual([
      1,
      '6 rows, 2 values rewrapped, 0 under the active key already\n4 rows were refused and are not in the output\n',
    ])
    expect(stderr.split('\n').filter((line) => line.startsWith('line '))).toEqual([
      expect.stringMatching(/^line 3: ERR_CIPHERTEXT_INVALID: email: /),
      expect.stringMatching(/^line 4: ERR_CIPHERTEXT_INVALID: email: /),
      expect.stringMatching(/^line 6: ERR_DECRYPT_FAILED: email: /),
      'line 7: The row has 1 fields, and the first line 2.',
    ])
    expect(stderr).not.toContain('canary')
    expect(rowsIn('out.csv').map(({ id }) => id)).toEqual(['1', '6'])
  })

  it('binds to the context of the row, or to a fixed one', async () => {
    give('in.csv', `id,email\n17,${await kit.old('a@x', '17')}\n18,${await kit.old('b@x', '18')}\n`)
    expect(await cli('in.csv', 'out.csv', '--columns', 'email', '--context-column', 'id')).toMatchObject({ code: 0 })
    for (const { id, email_new } of rowsIn('out.csv'))
      expect(await kit.plaintextOf(email_new, id)).toBe(id === '17' ? 'a@x' : 'b@x')
    give('in.csv', `id,email\n17,${await kit.old('a@x', 'users.email')}\n`)
    expect(await cli('in.csv', 'out.csv', '--columns', 'email', '--context', 'users.email')).toMatchObject({ code: 0 })
    expect(await kit.plaintextOf(rowsIn('out.csv')[0]?.email_new ?? '', 'users.email')).toBe('a@x')
  })

  it('takes the values of fields, bound to their column or to their row', async () => {
    const [first, second] = [columnContext('users.email'), rowContext('users', 'email', '17')]
    for (const [context, ...more] of [[first], [second, '--context-column', 'id']] as const) {
      give('in.csv', `id,email\n17,${await kit.old('a@x', context)}\n`)
      expect(await cli('in.csv', 'out.csv', '--columns', 'email', '--table', 'users', ...more)).toMatchObject({
        code: 0,
      })
      expect(await kit.plaintextOf(rowsIn('out.csv')[0]?.email_new ?? '', context)).toBe('a@x')
    }
  })

  it.each([
    ['has no such column', 'id,mail\n1,x\n', 'has no column "email"'],
    ['has the column twice', 'id,email,email\n', 'has the column "email" twice'],
    ['has a column for new values', 'id,email,email_new\n', 'has a column "email_new" already'],
    ['has broken quotes', 'id,email\n1,\n2,"x"canary\n', 'is not CSV: line 3 (CSV_INVALID_CLOSING_QUOTE)'],
    ['ends in a quote', 'id,email\n1,"', 'is not CSV: line 2 (CSV_QUOTE_NOT_CLOSED)'],
    ['is empty', '', 'has no line with the names'],
  ])('refuses a file that %s', async (_name, content, sentence) => {
    give('in.csv', content)
    const { code, stdout, stderr } = await cli('in.csv', 'out.csv', '--columns', 'email')
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(sentence)
    expect(stderr).not.toContain('canary')
  })
})

it.each([
  ['latin1', `${'x'.repeat(40_000)},J\xf6rg`, 'latin1', 'is not UTF-8, behind line 2: '],
  ['a character that is cut at the end', '\xe2\x82', 'latin1', 'is not UTF-8, behind line 1: '],
  ['UTF-16', '', 'utf16le', 'is not UTF-8, behind line 0: '],
] as const)('CSV in %s is refused, and never altered', async (_name, row, encoding, sentence) => {
  give('in.csv', Buffer.from(`\uFEFFid,email\n1,\n${row}`.slice(encoding === 'latin1' ? 1 : 0), encoding))
  const { code, stderr } = await cli('in.csv', 'out.csv', '--columns', 'email')
  expect([code, stderr]).toEqual([2, expect.stringContaining(sentence)])
  expect(readdirSync(kit.folder).filter((file) => file.startsWith('out.'))).toEqual([])
})

it('characters that lie on the borders of chunks stay whole', async () => {
  const content = ['id,email', ...Array.from({ length: 20_000 }, (_, at) => `${'ü€🌍'.repeat(at % 5)}${at},`)].join(
    '\n',
  )
  give('in.csv', content)
  expect(await cli('in.csv', 'out.csv', '--columns', 'email')).toMatchObject({ code: 0 })
  expect(text('out.csv').replaceAll(/,$/gm, '').replace(',email_new', '')).toBe(`${content}\n`)
})

describe('NDJSON', () => {
  it('adds a field to each line, which stays as it was written, byte for byte', async () => {
    const lines = [
      `{ "id": 12345678901234567890, "email": ${JSON.stringify(await kit.old('a@x'))}, "n": 1.10 }`,
      '{"email":null,"id":2}',
      '{}',
      '{"id":"\u2028\\u0000"}',
    ]
    give('in.ndjson', `\uFEFF${lines.join('\r\n')}\r\n\r\n`)
    const ran = await cli('in.ndjson', 'out.ndjson', '--columns', 'email', '--json')
    expect(JSON.parse(ran.stdout)).toEqual({ rows: 4, refused: 0, rewrapped: 1, kept: 0 })
    const [first = '', ...rest] = text('out.ndjson').split('\n')
    expect(first.startsWith(`${(lines[0] ?? '').slice(0, -2)},"email_new":"ek1.second02.`)).toBe(true)
    expect(rest).toEqual([
      '{"email":null,"id":2,"email_new":null}',
      '{"email_new":null}',
      '{"id":"\u2028\\u0000","email_new":null}',
      '',
    ])
  })

  it('takes fields of hundreds of kilobytes, whole', async () => {
    const huge = 'ö'.repeat(300_000)
    const row = { id: 1, email: await kit.old(huge), other: 'x'.repeat(3_000_000) }
    give('in.jsonl', JSON.stringify(row))
    expect(await cli('in.jsonl', 'out.jsonl', '--columns', 'email')).toMatchObject({ code: 0 })
    const [out] = rowsIn('out.jsonl')
    expect(await kit.plaintextOf(out?.email_new ?? '')).toBe(huge)
    expect(out).toMatchObject(row)
  })

  it('names lines that are wrong, and does the others', async () => {
    const good = JSON.stringify({ id: 1, email: await kit.old('a', '1') })
    const lines = [
      '{"canary',
      '[]',
      '{"id":1,"email":1}',
      '{"id":1,"email_new":""}',
      '{"email":null}',
      '{"id":1e30}',
      good.replace('"id":"1"', '"id":"\\ud800"').replace('"id":1', '"id":"\\ud800"'),
      '{"id":"J\xf6rg"}',
      good,
    ]
    give('in.ndjson', Buffer.from(lines.join('\n'), 'latin1'))
    const words = ['in.ndjson', 'out.ndjson', '--columns', 'email', '--context-column', 'id']
    expect(await cli(...words, '--table', 'users')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('\nline 7: The row has in the column of the context half a character'),
    })
    rmSync(path('out.ndjson'))
    const { code, stderr } = await cli(...words)
    expect(code).toBe(1)
    expect(stderr.split('\n').filter((line) => line.startsWith('line '))).toEqual([
      'line 1: The row is not a JSON object.',
      'line 2: The row is not a JSON object.',
      'line 3: The row has in "email" something else than a text.',
      'line 4: The row has a field "email_new" already.',
      'line 5: The row has in the column of the context neither a text nor a whole number.',
      'line 6: The row has in the column of the context neither a text nor a whole number.',
      'line 7: The row has in the column of the context half a character (a lone surrogate).',
      'line 8: The row is not UTF-8.',
    ])
    expect(rowsIn('out.ndjson')).toHaveLength(1)
  })
})

describe('a run that is killed', () => {
  const COUNT = 12_000
  const FILES = ['csv', 'ndjson'] as const
  beforeAll(async () => {
    const row = async (at: number, form: string) => {
      const email = at % 3 === 0 ? await kit.fresh(`p${at}`) : await kit.old(`p${at}`)
      return form === 'csv' ? `${at},${email}\n` : `${JSON.stringify({ id: String(at), email })}\n`
    }
    for (const form of FILES)
      await writeRows(path(`many.${form}`), form === 'csv' ? 'id,email\n' : '', COUNT, (at) => row(at, form))
  })

  /** Kills the run once its output has so many bytes. */
  async function killedAt(words: readonly string[], out: string, bytes: number): Promise<void> {
    const child = spawn(process.execPath, [CLI, ...words], {
      cwd: kit.folder,
      env: { ...process.env, ...kit.env },
      stdio: 'ignore',
    })
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
    const isThere = () => existsSync(out) && statSync(out).size >= bytes
    while (child.exitCode === null && !isThere()) await setImmediate()
    child.kill('SIGKILL')
    await closed
  }

  it('goes on, and every row is there once, in both formats, wherever it was killed and whatever the last row was', async () => {
    const moments = fc.array(fc.integer({ min: 0, max: 3_500_000 }), { minLength: 1, maxLength: 3 })
    const property = fc.asyncProperty(fc.constantFrom(...FILES), moments, fc.string(), async (form, at, torn) => {
      const out = path(`out.${form}`)
      for (const file of [out, `${out}.journal`, `${out}.journal-journal`]) rmSync(file, { force: true })
      const words = ['rewrap', `many.${form}`, `out.${form}`, '--columns', 'email']
      for (const bytes of at.toSorted((a, b) => a - b)) {
        await killedAt(words, out, bytes)
        if (existsSync(`${out}.journal`) && existsSync(out)) appendFileSync(out, torn)
      }
      if (existsSync(out) && !existsSync(`${out}.journal`)) return
      const ran = await cli(...words.slice(1), '--json')
      expect(ran).toMatchObject({ code: 0 })
      expect(JSON.parse(ran.stdout)).toEqual({ rows: COUNT, refused: 0, rewrapped: 8000, kept: 4000 })
      const rows = rowsIn(`out.${form}`)
      expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: COUNT }, (_, index) => String(index)))
      const wrong = rows.filter(({ email_new }) => !email_new.startsWith('ek1.second02.'))
      expect(wrong).toEqual([])
      for (const { id, email_new } of [rows[0], rows[4000], rows[11_999]].filter((row) => row !== undefined))
        expect(await kit.plaintextOf(email_new)).toBe(`p${id}`)
    })
    await fc.assert(property, { numRuns: 4, endOnFailure: true })
  }, 240_000)

  it('goes on with the same words alone, never beside another, and takes no output that it did not begin', async () => {
    give('in.csv', `id,email,iban\n1,${await kit.old('a')},\n`)
    const words = { input: path('in.csv'), columns: ['email'] }
    const begun = RunOutput.open(path('out.csv'), words)
    begun.add('id\n1\n', { rows: 1, refused: 0, rewrapped: 1, kept: 0 })
    begun.note({ rows: 1, refused: 0, rewrapped: 1, kept: 0 })
    begun.add('2\n', { rows: 2, refused: 0, rewrapped: 2, kept: 0 })
    const again = () => RunOutput.open(path('out.csv'), words)
    expect(again).toThrow('Another process is at work on this output.')
    begun.close(false)
    expect(() => RunOutput.open(path('out.csv'), { ...words, columns: ['iban'] })).toThrow('had other words')
    appendFileSync(path('out.csv'), '2,to')
    const goesOn = again()
    expect([goesOn.goesOn, goesOn.done.rows, text('out.csv')]).toEqual([true, 1, 'id\n1\n'])
    goesOn.close(false)
    writeFileSync(path('out.csv'), 'id\n3\n4\n')
    expect(again).toThrow('is not the one that its journal is of')
    expect(text('out.csv')).toBe('id\n3\n4\n')
    writeFileSync(path('out.csv'), 'id')
    expect(again).toThrow('shorter than its journal says')
    rmSync(path('out.csv.journal'))
    expect(again).toThrow('exists already')
    writeFileSync(path('out.csv.journal'), '')
    expect(again).toThrow('exists already')
    expect(text('out.csv')).toBe('id')
  })

  it('leaves nothing where nothing was done, and does not hold later words to it', async () => {
    give('in.csv', 'id,email\n1,\n')
    expect(await cli('in.csv', 'out.csv', '--columns', 'emial')).toMatchObject({ code: 2 })
    expect(readdirSync(kit.folder).filter((file) => file.startsWith('out.'))).toEqual([])
    const journal = new DatabaseSync(path('out.csv.journal'))
    journal.exec('CREATE TABLE run (words TEXT NOT NULL, noted TEXT NOT NULL)')
    journal.prepare('INSERT INTO run VALUES (?, ?)').run('{}', '{"rows":0,"bytes":0}')
    journal.close()
    expect(await cli('in.csv', 'out.csv', '--columns', 'email')).toMatchObject({ code: 0 })
  })

  it('refuses an input that was rewritten while it was read, and keeps the journal', async () => {
    const row = (email: string) => `${email}\n`.repeat(20_000)
    give('in.csv', `email\n${row(await kit.old('a'))}`)
    const words = ['rewrap', 'in.csv', 'out.csv', '--columns', 'email']
    const child = spawn(process.execPath, [CLI, ...words], { cwd: kit.folder, env: { ...process.env, ...kit.env } })
    const ended = Promise.all([streamText(child.stderr), once(child, 'close')])
    while (child.exitCode === null && !(existsSync(path('out.csv')) && statSync(path('out.csv')).size > 0))
      await setImmediate()
    appendFileSync(path('in.csv'), 'one more')
    const [stderr, [code]] = await ended
    expect([code, stderr]).toEqual([2, expect.stringContaining('The input was changed while it was read')])
    expect(statSync(path('out.csv.journal')).mode & 0o777).toBe(0o600)
    expect(await cli(...words.slice(1))).toMatchObject({ code: 2, stderr: expect.stringContaining('another input') })
  }, 60_000)

  it('says that a disk is full, and goes on where it was once there is room', async () => {
    const disk = smallDisk()
    onTestFinished(() => disk.remove())
    give('in.csv', `id,email\n1,${await kit.old('a@x')}\n`)
    const out = join(disk.folder, 'out.csv')
    disk.fill()
    const refused = await cli('in.csv', out, '--columns', 'email')
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/^ERR_FOLDER_UNUSABLE: The output cannot be written: its disk is full .*\nMend that/m),
    ])
    disk.free()
    expect(await cli('in.csv', out, '--columns', 'email')).toMatchObject({ code: 0 })
    const [half, done] = [join(disk.folder, 'half.csv'), { refused: 0, rewrapped: 0, kept: 0 }]
    const first = RunOutput.open(half, {})
    first.add('a row\n', { rows: 1, ...done })
    first.note({ rows: 1, ...done })
    disk.fill()
    expect(() => first.add('x'.repeat(1024 * 1024), { rows: 2, ...done })).toThrow(/^ERR_FOLDER_UNUSABLE: .*ENOSPC/)
    first.close(false)
    disk.free()
    const next = RunOutput.open(half, {})
    expect([next.done.rows, readFileSync(half, 'utf8')]).toEqual([1, 'a row\n'])
    next.close(true)
  })

  it('stops at what concerns every value, and has no plaintext on the disk', async () => {
    give('in.csv', `id,email\n1,${await kit.old('the secret of the tests')}\n`)
    const env = { ...kit.env, KEYRING_WRAPPING_KEYS: `w2:${Buffer.alloc(32, 2).toString('base64')}` }
    const refused = await runCli(['rewrap', 'in.csv', 'out.csv', '--columns', 'email'], { cwd: kit.folder, env })
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('ERR_WRAPPING_KEY_MISSING')])
    expect(await cli('in.csv', 'out.csv', '--columns', 'email')).toMatchObject({ code: 0 })
    for (const file of readdirSync(kit.folder, { recursive: true, withFileTypes: true }))
      if (file.isFile()) expect(readFileSync(join(file.parentPath, file.name), 'latin1')).not.toContain('the secret of')
  })
})

it('a deployment rewraps the same over HTTP, a bounded number of values at a time', async () => {
  const token = 'ek_of_the_rewrapping_tests'
  const sha256 = hash('sha256', token)
  const tokens = JSON.stringify([{ name: 'a', sha256, grants: ['sync', 'rewrap'] }])
  const deployment = await startNode({ ...kit.env, KEYRING_API_TOKENS: tokens })
  const env = { EDGE_KEYRING_URL: deployment.url, EDGE_KEYRING_TOKEN: token }
  const far = (...words: string[]) => runCli(words, { cwd: kit.folder, env })
  await far('sync')
  const context = (id: string) => rowContext('users', 'email', id)
  const values = await Promise.all(Array.from({ length: 40 }, (_, at) => kit.old(`p${at}`, context(`u${at}`))))
  const rows = values.map((email, at) => `u${at},${at === 7 ? 'none' : email}`)
  give('in.csv', `id,email\n${rows.join('\n')}\n`)
  const words = ['rewrap', 'in.csv', 'out.csv', '--columns', 'email', '--table', 'users', '--context-column', 'id']
  const { code, stdout, stderr } = await far(...words)
  expect([code, stdout]).toEqual([1, expect.stringMatching(/^40 rows, 39 values rewrapped, 0 under/)])
  expect(stderr).toContain('\nline 9: ERR_CIPHERTEXT_INVALID: email: ')
  for (const { id, email_new } of rowsIn('out.csv'))
    expect(await kit.plaintextOf(email_new, context(id))).toBe(id.replace('u', 'p'))
  rmSync(path('out.csv'))
  const refused = await runCli(words, { cwd: kit.folder, env: { ...env, EDGE_KEYRING_TOKEN: 'ek_nobodys' } })
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('ERR_UNAUTHENTICATED')])
  expect(await far(...words)).toMatchObject({ code: 1, stdout: expect.stringMatching(/^40 rows, 39 /) })
  await deployment.stop()
})

describe('--count', () => {
  it('counts values by key without a keyring, and says what is none', async () => {
    const [old, fresh] = [await kit.old('x'), await kit.fresh('y')]
    give('in.csv', `id,email,iban\n1,${old},${fresh}\n2,${old},\n3,plain,${fresh}\n`)
    const words = ['rewrap', 'in.csv', '--count', '--columns', 'email,iban']
    const { code, stdout, stderr } = await runCli(words, { cwd: kit.folder, env: {} })
    const lines = [
      '         2  first001',
      '         2  second02',
      '         1  not encrypted',
      '         1  without a value',
    ]
    expect([code, stderr, stdout.split('\n').toSorted()]).toEqual([0, '', [...lines, ''].toSorted()])
    const json = await runCli([...words, '--json'], { cwd: kit.folder, env: {} })
    expect(JSON.parse(json.stdout)).toEqual({
      rows: 3,
      keys: { first001: 2, second02: 2 },
      without_value: 1,
      not_encrypted: 1,
      unreadable_rows: 0,
    })
  })
})

it.each([
  [['in.csv', 'out.csv'], '--columns needs'],
  [['in.csv', '--columns', 'email'], 'The word <output> is missing.'],
  [['in.txt', 'out.txt', '--columns', 'email'], 'ends neither in .csv'],
  [['nowhere.csv', 'out.csv', '--columns', 'email'], 'cannot be read (ENOENT)'],
  [['in.csv', 'no/out.csv', '--columns', 'email'], 'The folder of the output is not there'],
  [['in.csv', 'other.csv', '--columns', 'email'], 'other.csv.journal is not the journal of a run: move it away'],
])('%j: a usage error', async (words, sentence) => {
  give('in.csv', 'id,email\n')
  writeFileSync(path('in.txt'), '')
  writeFileSync(path('other.csv.journal'), 'a diary, of somebody')
  const { code, stderr } = await cli(...words)
  expect([code, stderr]).toEqual([2, expect.stringContaining(sentence)])
})
