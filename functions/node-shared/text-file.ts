/** Files with credentials as texts: bytes that are no text are never replaced by others. */
import type { Stats } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { decodeUtf8 } from '../../src/core/bytes.ts'
import { isPem } from '../../src/core/pem.ts'

/** '' = it is no text. PEM is ASCII, whatever the comments around its blocks are written in. */
export function fileText(bytes: Buffer): string {
  const latin = bytes.toString('latin1')
  return decodeUtf8(bytes) ?? (isPem(latin) ? latin : '')
}

/** Bytes of a file with credentials: the bundle of all public authorities has some 200 KiB. */
const MOST_BYTES = 1024 * 1024

const [FOLDER, NO_FILE, TOO_LARGE] = ['EISDIR', 'no ordinary file', 'larger than 1 MiB']

/** Whether it says that a file is none to be read, which no disk is to blame for. A socket is not even opened. */
export const isOdd = (code: string): boolean => [FOLDER, NO_FILE, TOO_LARGE, 'ENXIO'].includes(code)

/** A pipe without a writer, or a device without an end, would be read for ever. @throws an error of Node's form. */
export function refuseOdd(stats: Stats): void {
  const code = stats.isDirectory() ? FOLDER : stats.isFile() ? null : NO_FILE
  const problem = code ?? (stats.size > MOST_BYTES ? TOO_LARGE : null)
  if (problem !== null) throw Object.assign(new Error(problem), { code: problem })
}

export async function readTextFile(path: string): Promise<string> {
  refuseOdd(await stat(path))
  return fileText(await readFile(path))
}
