/** Bodies from elsewhere: never longer than wanted, never trusted to parse. */
import { concat, decodeUtf8 } from './bytes.ts'

/** `undefined` = not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** '' = not UTF-8. `null` = longer than `most` bytes; the rest is not read. */
export async function readText(response: Response, most: number): Promise<string | null> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > most) return null
    chunks.push(chunk)
  }
  return decodeUtf8(concat(...chunks)) ?? ''
}
