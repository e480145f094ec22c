/** NDJSON from elsewhere: lines of a stream, one JSON value each, in the memory of the longest one. */
import { decodeUtf8 } from '../../src/core/bytes.ts'
import { failed } from './failure.ts'

export interface NumberedLine {
  readonly number: number
  /** `null` = the bytes are not UTF-8. */
  readonly text: string | null
}

/** Bytes; a file without ends of lines would be held whole. */
const MOST_LINE_BYTES = 64 * 1024 * 1024
const LF = 0x0a

/** Lines that are not blank, without a byte order mark. Only a line feed ends one: JSON may have every other end of a line inside a text. */
export async function* linesOf(stream: AsyncIterable<unknown>): AsyncGenerator<NumberedLine> {
  let number = 0
  let rest: Buffer[] = []
  let held = 0
  const take = (last: Buffer): NumberedLine => {
    const text = decodeUtf8(rest.length === 0 ? last : Buffer.concat([...rest, last]))
    rest = []
    held = 0
    number += 1
    return { number, text: number === 1 ? (text?.replace(/^\uFEFF/, '') ?? null) : text }
  }
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let start = 0
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      const line = take(chunk.subarray(start, end))
      if (line.text?.trim() !== '') yield line
      start = end + 1
    }
    if (start === chunk.length) continue
    rest.push(chunk.subarray(start))
    held += chunk.length - start
    if (held > MOST_LINE_BYTES)
      throw failed('ERR_USAGE', `Line ${number + 1} has more than ${MOST_LINE_BYTES} bytes: is it NDJSON?`)
  }
  const last = take(Buffer.alloc(0))
  if (last.text?.trim() !== '') yield last
}

/** Of https://github.com/tc39/proposal-json-parse-with-source, which the compiler's library does not have yet. */
interface ExactJson {
  parse(
    text: string,
    reviver: (name: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown
  rawJSON(text: string): object
  isRawJSON(value: unknown): boolean
}
const exactJson = JSON as unknown as ExactJson

/** @param numbers 'exact' = one that would come out otherwise, such as an id of 19 digits, stays as it is written. `undefined` = it is no JSON. */
export function jsonOf({ text }: NumberedLine, numbers: 'exact' | 'rounded' = 'rounded'): unknown {
  try {
    if (text === null) return undefined
    return numbers === 'rounded' ? JSON.parse(text) : exactJson.parse(text, exact)
  } catch {
    return undefined
  }
}

const exact = (_name: string, value: unknown, { source }: { readonly source?: string }): unknown =>
  typeof value === 'number' && source !== undefined && String(value) !== source ? exactJson.rawJSON(source) : value

/** Such a number. */
export const isExact = (value: unknown): boolean => exactJson.isRawJSON(value)
