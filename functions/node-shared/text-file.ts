/** Files with credentials as texts: bytes that are no text are never replaced by others. */
import { readFile } from 'node:fs/promises'
import { decodeUtf8 } from '../../src/core/bytes.ts'
import { isPem } from '../../src/core/pem.ts'

/** '' = it is no text. PEM is ASCII, whatever the comments around its blocks are written in. */
export function fileText(bytes: Buffer): string {
  const latin = bytes.toString('latin1')
  return decodeUtf8(bytes) ?? (isPem(latin) ? latin : '')
}

export const readTextFile = async (path: string): Promise<string> => fileText(await readFile(path))
