/** Tables in files, as CSV or NDJSON: read in batches, and written again with new values beside the old ones. */
import { isUtf8 } from 'node:buffer'
import { Parser } from 'csv-parse'
import { stringify } from 'csv-stringify/sync'
import { createReadStream } from 'node:fs'
import { printable } from '../../src/core/printable.ts'
import { failed } from './failure.ts'
import { jsonOf, linesOf } from './ndjson.ts'

/** What a row is read for. */
export interface RowWants {
  readonly columns: readonly string[]
  /** `null` = none. */
  readonly contextColumn: string | null
}

export interface TableRow {
  /** Where it begins. */
  readonly line: number
  /** Why nothing can be done with it; `null` = it is a row. */
  readonly wrong: string | null
  /** In the order of the columns; `null` = there is none. */
  readonly values: readonly (string | null)[]
  /** `null` = there is none. */
  readonly context: string | null
  /** Its fields in CSV, its line in NDJSON. */
  readonly source: readonly string[]
}

export interface TableFile {
  /** @param read hears how many bytes of the file are read. @throws `ERR_USAGE`. */
  read(read: (bytes: number) => void): AsyncGenerator<readonly TableRow[]>
  /** What stands before the rows; known once the first ones are read. */
  head(): string
  /** @param values of each row that is to be written. */
  write(rows: readonly { readonly row: TableRow; readonly values: readonly (string | null)[] }[]): string
}

/** The column beside `name`. */
const besides = (name: string): string => `${name}_new`

/** By the end of its name. @throws `ERR_USAGE`. */
export function openTable(file: string, wanted: RowWants): TableFile {
  if (/\.csv$/i.test(file)) return csvTable(file, wanted)
  if (/\.(?:ndjson|jsonl)$/i.test(file)) return ndjsonTable(file, wanted)
  throw failed('ERR_USAGE', 'The name of the input ends neither in .csv nor in .ndjson or .jsonl.')
}

async function* chunksOf(file: string, read: (bytes: number) => void): AsyncGenerator<Buffer> {
  let bytes = 0
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 32 * 1024 }) as AsyncIterable<Buffer>) {
      read((bytes += chunk.length))
      yield chunk
    }
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error
    throw failed('ERR_USAGE', `The input cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}).`)
  }
}

/** The same bytes, none of which the library would replace: a character that two chunks share goes with the second one. */
async function* wholeCharacters(chunks: AsyncIterable<Buffer>, notText: () => Error): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const end = lastCharacter(bytes)
    if (!isUtf8(bytes.subarray(0, end))) throw notText()
    yield bytes.subarray(0, end)
    rest = bytes.subarray(end)
  }
  if (!isUtf8(rest)) throw notText()
  yield rest
}

/** Where it begins, if it has more than one byte: it may not be whole. */
function lastCharacter(bytes: Buffer): number {
  for (let at = bytes.length - 1; at >= Math.max(0, bytes.length - 4); at -= 1) {
    const byte = bytes[at] ?? 0
    if (byte < 0x80) return at + 1
    if (byte >= 0xc0) return at
  }
  return bytes.length
}

/** Bytes of one row. */
const MOST_ROW_BYTES = 64 * 1024 * 1024

function csvTable(file: string, wanted: RowWants): TableFile {
  let header: readonly string[] = []
  let [places, contextPlace]: [readonly number[], number] = [[], -1]
  const rowOf = (source: readonly string[], line: number): TableRow => ({
    line,
    wrong: source.length === header.length ? null : `has ${source.length} fields, and the first line ${header.length}`,
    values: places.map((place) => source[place] || null),
    context: source[contextPlace] ?? null,
    source,
  })
  const begin = (names: readonly string[]): void => {
    header = names
    places = wanted.columns.map((name) => placeIn(header, name))
    contextPlace = wanted.contextColumn === null ? -1 : placeIn(header, wanted.contextColumn)
    for (const name of wanted.columns) refuseTaken(header, besides(name))
  }
  return {
    async *read(read) {
      let rows: TableRow[] = []
      let [lines, empty] = [0, 0]
      const parser = csvParser((record, info) => {
        const line = lines + 1 + info.empty_lines - empty
        ;[lines, empty] = [info.lines, info.empty_lines]
        if (header.length === 0) begin(record)
        else rows.push(rowOf(record, line))
      })
      const notText = () =>
        failed('ERR_USAGE', `The input is not UTF-8, behind line ${lines}: convert it. Rows before it are done.`)
      for await (const chunk of wholeCharacters(chunksOf(file, read), notText)) {
        parser.write(chunk)
        yield rows
        rows = []
      }
      await parser.end()
      yield rows
      if (header.length === 0) throw failed('ERR_USAGE', 'The input has no line with the names of its columns.')
    },
    head: () => csvText([[...header, ...wanted.columns.map(besides)]]),
    write: (rows) => csvText(rows.map(({ row, values }) => [...row.source, ...values.map((value) => value ?? '')])),
  }
}

/** A field may have an end of a line of another kind than ours, which a reader would take for one. */
const csvText = (rows: readonly (readonly string[])[]): string => stringify([...rows], { quoted_match: /[\r\n]/ })

type OnRecord = (record: readonly string[], info: { readonly lines: number; readonly empty_lines: number }) => void

/** The library calls for each record while it is given bytes, so that a batch is whole when the call is over. */
function csvParser(onRecord: OnRecord): { write(chunk: Buffer): void; end(): Promise<void> } {
  let trouble: Error | null = null
  const parser = new Parser({
    bom: true,
    skip_empty_lines: true,
    relax_column_count: true,
    max_record_size: MOST_ROW_BYTES,
    on_record(record: string[], info) {
      try {
        onRecord(record, info)
      } catch (error) {
        trouble ??= error as Error
      }
      return null
    },
  })
  const ended = new Promise<void>((resolve) => {
    parser.on('error', (error: Error & { readonly code?: string; readonly lines?: number }) => {
      const { code = 'unknown', lines = 0 } = error
      trouble ??= failed('ERR_USAGE', `The input is not CSV: line ${lines} (${code}). Rows before it are done.`)
      resolve()
    })
    parser.on('end', resolve).resume()
  })
  const check = () => {
    if (trouble !== null) throw trouble
  }
  return {
    write(chunk) {
      check()
      parser.write(chunk)
    },
    async end() {
      check()
      parser.end()
      await ended
      check()
    },
  }
}

function placeIn(header: readonly string[], name: string): number {
  const place = header.indexOf(name)
  if (place === -1) throw failed('ERR_USAGE', `The input has no column "${printable(name, 64)}".`)
  if (header.includes(name, place + 1))
    throw failed('ERR_USAGE', `The input has the column "${printable(name, 64)}" twice.`)
  return place
}

function refuseTaken(names: readonly string[], name: string): void {
  if (names.includes(name))
    throw failed('ERR_USAGE', `The input has a column "${printable(name, 64)}" already: new values would stand there.`)
}

function ndjsonTable(file: string, wanted: RowWants): TableFile {
  return {
    async *read(read) {
      let rows: TableRow[] = []
      for await (const line of linesOf(chunksOf(file, read))) {
        rows.push(ndjsonRow(line.number, line.text, jsonOf(line), wanted))
        if (rows.length < BATCH) continue
        yield rows
        rows = []
      }
      yield rows
    },
    head: () => '',
    write: (rows) => rows.map(({ row, values }) => withNew(row.source[0] ?? '', wanted.columns, values)).join(''),
  }
}

const BATCH = 1000

function ndjsonRow(line: number, text: string | null, value: unknown, { columns, contextColumn }: RowWants): TableRow {
  const wrong = (why: string): TableRow => ({ line, wrong: why, values: [], context: null, source: [] })
  if (text === null) return wrong('is not UTF-8')
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong('is not a JSON object')
  const fields = value as Readonly<Record<string, unknown>>
  const field = (name: string): unknown => (Object.hasOwn(fields, name) ? fields[name] : null)
  const isText = (name: string) => field(name) === null || typeof field(name) === 'string'
  const other = columns.find((name) => !isText(name))
  if (other !== undefined) return wrong(`has in "${printable(other, 64)}" something else than a text`)
  const taken = columns.map(besides).find((name) => Object.hasOwn(fields, name))
  if (taken !== undefined) return wrong(`has a field "${printable(taken, 64)}" already`)
  const context = contextColumn === null ? null : contextOf(field(contextColumn))
  if (context === undefined) return wrong('has in the column of the context neither a text nor a whole number')
  if (context?.isWellFormed() === false)
    return wrong('has in the column of the context half a character (a lone surrogate)')
  return { line, wrong: null, values: columns.map((name) => field(name) as string | null), context, source: [text] }
}

/** A number is the text of its digits, as long as it has not lost one. */
const contextOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : Number.isSafeInteger(value) ? JSON.stringify(value) : undefined

/** The line stays as it was written, with every digit of its numbers. */
function withNew(line: string, columns: readonly string[], values: readonly (string | null)[]): string {
  const fields = columns.map((name, at) => `${JSON.stringify(besides(name))}:${JSON.stringify(values[at] ?? null)}`)
  const text = line.trimEnd()
  const open = text.slice(0, -1).trimEnd()
  return `${open}${open.endsWith('{') && open.length === 1 ? '' : ','}${fields.join(',')}}\n`
}
