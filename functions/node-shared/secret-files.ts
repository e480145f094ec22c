/** Files of one folder as a vault behind references; a link that leads out of it is no file of the folder. */
import { constants } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { KeyringError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import type { SecretAnswer, SecretBackend } from '../../src/core/secrets.ts'
import { fileText, refuseOdd } from './text-file.ts'

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
