/** The one item that a command works on: its argument, or standard input, so that it need not show in a list of processes. */
import { fstatSync } from 'node:fs'
import { utf8 } from '../../src/core/bytes.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { failed } from './failure.ts'

export async function inputOr(argument: string | undefined): Promise<Bytes> {
  if (argument !== undefined) return utf8(argument)
  // To Node that is an empty input, which would be encrypted as such.
  if (fstatSync(0).isDirectory()) throw failed('ERR_USAGE', 'Standard input is a directory.')
  if (process.stdin.isTTY) console.error('reading from standard input, to the end of file (ctrl-D)')
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return new Uint8Array(Buffer.concat(chunks))
}
