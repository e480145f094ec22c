/** Files of one folder as a vault behind references; a link that leads out of it is no file of the folder. */
import { constants } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { KeyringError } from '../../src/core/errors.ts'
import type { SecretName } from '../../src/core/ports.ts'
import { Secret } from '../../src/core/secret.ts'
import type { SecretAnswer, SecretBackend } from '../../src/core/secrets.ts'
import { fileText, refuseOdd } from './text-file.ts'

/** `null` = such a file can be asked for; else the rest of a sentence. */
export function fileTrouble({ resource, version }: SecretName): string | null {
  if (version !== null && version > 1) return 'has a version, and a file has none'
  const parts = resource.split('/')
  const isPlain = !/[\p{Cc}\\]/u.test(resource) && !parts.some((part) => ['', '.', '..'].includes(part))
  return isPlain ? null : 'names no file in the folder: no empty, "." or ".." segment, backslash or control character'
}

/** In Kong's grammar the last segment is a key; of a file that is not JSON it is the file's own name. */
export function fileSplit({ resource, key }: { readonly resource: string; readonly key: string | null }) {
  return key === null || /\.json$/i.test(resource) ? { resource, key } : { resource: `${resource}/${key}`, key: null }
}

/** One line end at the end of a file is not part of its text. */
export const fileBackend = (folder: string): SecretBackend => ({
  async read({ resource }) {
    try {
      return await inFolder(folder, resource)
    } catch (error) {
      const { code } = error as { code?: unknown }
      if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'absent' }
      if (code === 'EACCES' || code === 'EPERM' || code === 'ELOOP') return { kind: 'forbidden' }
      const why = typeof code === 'string' ? code : 'unknown'
      throw new KeyringError('ERR_STORE_UNAVAILABLE', `A file of the vault's folder cannot be read (${why}).`)
    }
  },
})

/** What was looked at is what is read: the file is opened by its real path, which must not be a link by then. */
async function inFolder(folder: string, resource: string): Promise<SecretAnswer> {
  const [root, path] = [await realpath(folder), await realpath(join(folder, resource))]
  if (!path.startsWith(root.endsWith(sep) ? root : root + sep)) return { kind: 'forbidden' }
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    refuseOdd(await file.stat())
    const text = fileText(await file.readFile())
    if ((await realpath(join(folder, resource))) !== path) return { kind: 'forbidden' }
    return { kind: 'secret', text: new Secret(text.replace(/\r?\n$/, '')) }
  } finally {
    await file.close()
  }
}
