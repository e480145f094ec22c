/**
 * `edge-keyring rewrap`: the values of named columns of a file, encrypted anew with the active key, beside the old ones. Rows are read and
 * written in their order, a batch at a time; plaintexts are in memory alone. `--count` says how many values each key has, without any key.
 */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { utf8Again } from '../../src/core/bytes.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { printable } from '../../src/core/printable.ts'
import { parseEk1 } from '../../src/crypto/ek1.ts'
import { columnContext, rowContext } from '../../src/fields/bound.ts'
import type { KeyringClient } from './client.ts'
import type { Outcome } from './command.ts'
import { failed } from './failure.ts'
import { Progress } from './progress.ts'
import type { BoundValue, Rewrapped, Rewrapper } from './rewrapper.ts'
import { farRewrapper, ownRewrapper } from './rewrapper.ts'
import type { TableRow, TableFile, RowWants } from './rows.ts'
import { openTable } from './rows.ts'
import type { RunDone } from './run-output.ts'
import { RunOutput } from './run-output.ts'
import type { Target } from './target.ts'

interface Words extends RowWants {
  readonly input: string
  readonly output: string | undefined
  /** Of values for which no column says it. */
  readonly context: string
  /** Values are fields of this table (docs/fields.md). `null` = they are not. */
  readonly table: string | null
}

/** @throws `ERR_USAGE`. */
export async function rewrap(words: Words, client: KeyringClient, { own }: Target): Promise<Outcome> {
  const { input, output, columns, contextColumn, table: fields } = words
  if (output === undefined) throw failed('ERR_USAGE', 'The word <output> is missing.')
  if (fields !== null && [fields, ...columns].some((name) => name.includes('.')))
    throw failed('ERR_USAGE', 'The name of a table or column of --table has a dot.')
  const found = inputOf(input)
  const table = tableOf(words)
  const rewrapper = own ? ownRewrapper(await own.keyring(client.name), own.audit) : farRewrapper(client)
  const keyring = client.name
  const out = RunOutput.open(output, { input: resolve(input), ...found, columns, contextColumn, fields, keyring })
  if (out.goesOn) console.error(`going on after ${out.done.rows} rows`)
  let isDone = false
  try {
    const done = await run(table, out, { words, rewrapper, progress: new Progress(found.size) })
    if (!isDeepStrictEqual(inputOf(input), found))
      throw failed(
        'ERR_USAGE',
        'The input was changed while it was read: delete the output and its journal, and begin anew.',
      )
    isDone = true
    const { rows, rewrapped, kept, refused } = done
    const lines = [
      `${refused === 0 ? 'ok  ' : ''}${rows} rows, ${rewrapped} values rewrapped, ${kept} under the active key already`,
      ...(refused === 0 ? [] : [`${refused} rows were refused and are not in the output`]),
    ]
    return { document: done, screen: `${lines.join('\n')}\n`, exit: refused === 0 ? 0 : 1 }
  } finally {
    out.close(isDone)
  }
}

interface Run {
  readonly words: Words
  readonly rewrapper: Rewrapper
  readonly progress: Progress
}

async function run(table: TableFile, out: RunOutput, { words, rewrapper, progress }: Run): Promise<RunDone> {
  const before = out.done
  let done = before
  let seen = 0
  let bytes = 0
  for await (const all of table.read((read) => (bytes = read))) {
    const rows = all.slice(Math.max(0, before.rows - seen))
    seen += all.length
    if (rows.length === 0) continue
    const batch = await rewrapRows(rows, words, rewrapper)
    for (const { row, why } of batch.refused) {
      progress.clear()
      console.error(`line ${row.line}: ${why}`)
    }
    done = added(done, rows.length, batch)
    out.add((out.isEmpty ? table.head() : '') + table.write(batch.written), done)
    progress.show(bytes, done.rows, before.rows)
  }
  if (out.isEmpty) out.add(table.head(), done)
  out.note(done)
  progress.clear()
  return { rows: done.rows, refused: done.refused, rewrapped: done.rewrapped, kept: done.kept }
}

interface Batch {
  readonly written: { readonly row: TableRow; readonly values: readonly (string | null)[] }[]
  readonly refused: { readonly row: TableRow; readonly why: string }[]
  rewrapped: number
  kept: number
}

const added = (done: RunDone, rows: number, { refused, rewrapped, kept }: Batch): RunDone => ({
  rows: done.rows + rows,
  refused: done.refused + refused.length,
  rewrapped: done.rewrapped + rewrapped,
  kept: done.kept + kept,
})

/** A row is taken whole or not at all. */
async function rewrapRows(rows: readonly TableRow[], words: Words, rewrapper: Rewrapper): Promise<Batch> {
  const bound = (row: TableRow): BoundValue[] =>
    row.values.flatMap((ciphertext, at) =>
      ciphertext === null || row.wrong !== null ? [] : [{ ciphertext, context: contextOf(words, row, at) }],
    )
  const results = (await rewrapper(rows.flatMap(bound)))[Symbol.iterator]()
  const batch: Batch = { written: [], refused: [], rewrapped: 0, kept: 0 }
  for (const row of rows) {
    if (row.wrong !== null) batch.refused.push({ row, why: `The row ${row.wrong}.` })
    else
      take(
        batch,
        row,
        row.values.map((value) => (value === null ? null : (results.next().value ?? null))),
        words,
      )
  }
  return batch
}

/** Fields are bound to their row where a column says which one that is, and to their column alone elsewhere. */
function contextOf({ columns, context, table }: Words, row: TableRow, at: number): Bytes {
  const column = columns[at] ?? ''
  if (table === null) return utf8Again(row.context ?? context)
  return row.context === null ? columnContext(`${table}.${column}`) : rowContext(table, column, row.context)
}

function take(batch: Batch, row: TableRow, results: readonly (Rewrapped | null)[], { columns }: Words): void {
  for (const [at, result] of results.entries())
    if (result !== null && 'code' in result) {
      const why = `${result.code}: ${printable(columns[at] ?? '', 64)}: ${printable(result.detail)}`
      return void batch.refused.push({ row, why })
    }
  const taken = results.map((result) => (result !== null && 'changed' in result ? result : null))
  batch.rewrapped += taken.filter((each) => each?.changed === true).length
  batch.kept += taken.filter((each) => each?.changed === false).length
  batch.written.push({ row, values: taken.map((each) => each?.ciphertext ?? null) })
}

function tableOf({ input, ...wanted }: RowWants & Pick<Words, 'input'>): TableFile {
  if (wanted.columns.includes('')) throw failed('ERR_USAGE', 'The flag --columns needs the names of columns.')
  return openTable(input, wanted)
}

function inputOf(file: string): { size: number; mtimeMs: number; ino: number } {
  try {
    const { size, mtimeMs, ino } = statSync(file)
    return { size, mtimeMs, ino }
  } catch (error) {
    throw failed('ERR_USAGE', `The input cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}).`)
  }
}

/** Counts by the key id that stands in a value, which nobody has verified here. */
export async function countByKey({ input, columns }: Words): Promise<Outcome> {
  const [table, progress] = [tableOf({ input, columns, contextColumn: null }), new Progress(inputOf(input).size)]
  const keys = new Map<string, number>()
  let [rows, none, other, wrong] = [0, 0, 0, 0]
  let bytes = 0
  for await (const batch of table.read((read) => (bytes = read)))
    for (const row of batch) {
      rows += 1
      if (row.wrong !== null) wrong += 1
      for (const value of row.values) {
        const id = value === null ? null : keyIdOf(value)
        if (value === null) none += 1
        else if (id === null) other += 1
        else keys.set(id, (keys.get(id) ?? 0) + 1)
      }
      progress.show(bytes, rows, 0)
    }
  progress.clear()
  const document = {
    rows,
    keys: Object.fromEntries(keys),
    without_value: none,
    not_encrypted: other,
    unreadable_rows: wrong,
  }
  const lines = [
    ...[...keys].map(([id, count]) => `${String(count).padStart(10)}  ${id}`),
    `${String(other).padStart(10)}  not encrypted`,
    `${String(none).padStart(10)}  without a value`,
    ...(wrong === 0 ? [] : [`${String(wrong).padStart(10)}  rows that cannot be read: they may have values too`]),
  ]
  return { document, screen: `${lines.join('\n')}\n`, exit: wrong === 0 ? 0 : 1 }
}

/** `null` = it is not of our form. */
function keyIdOf(value: string): string | null {
  try {
    return parseEk1(value).id
  } catch (error) {
    if (error instanceof KeyringError) return null
    throw error
  }
}
