/** The one item that a command works on: its argument, or standard input, so that it need not show in a list of processes. */
import { utf8 } from '../../src/core/bytes.ts'
import type { Bytes } from '../../src/core/bytes.ts'

export async function inputOr(argument: string | undefined): Promise<Bytes> {
  if (argument !== undefined) return utf8(argument)
  if (process.stdin.isTTY) console.error('reading from standard input, to the end of file (ctrl-D)')
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return new Uint8Array(Buffer.concat(chunks))
}

export const contextArg = {
  context: { type: 'string', description: 'What the value is bound to; to decrypt it must be the same.', default: '' },
} as const
