/** Bodies that come from elsewhere: none is read further than wanted, and none is trusted to parse. */
import { concat, decodeUtf8 } from './bytes.ts'

/** `undefined` = not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The body as text. '' = it is not UTF-8. `null` = it is longer than `most` bytes, and the rest was not read. */
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
