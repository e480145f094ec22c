/** What shapes the request of a login, so that a refusal is remembered for that request and for no other. */
import { Secret } from '../../core/secret.ts'
import type { LoginParts } from './method.ts'
import type { LoginBySettings } from './open.ts'

type Files = Pick<LoginParts, 'readFile'>

/**
 * All the settings of the login and all the files that they name, as one text, which is for a fingerprint alone. What the login
 * itself fetches, such as a platform's JWT, is another one each time and tells nothing.
 */
export const shapeOf = async (settings: LoginBySettings, files: Files): Promise<string> =>
  JSON.stringify(await revealed(settings, files))

async function revealed(value: unknown, files: Files): Promise<unknown> {
  if (value instanceof Secret) return value.reveal()
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(async ([name, part]: [string, unknown]) => [
    name,
    name === 'file' && typeof part === 'string' ? await contentOf(part, files) : await revealed(part, files),
  ])
  return Promise.all(entries)
}

/** A file that cannot be read is the login's to report. */
async function contentOf(path: string, { readFile }: Files): Promise<readonly (string | null)[]> {
  return [path, (await readFile?.(path).catch(() => null)) ?? null]
}
