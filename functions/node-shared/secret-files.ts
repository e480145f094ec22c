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

/** A folder that is replaced while it is read, as kubelet does, is read again so often. */
const TRIES = 5

async function inFolder(folder: string, resource: string): Promise<SecretAnswer> {
  for (let left = TRIES; left > 0; left -= 1) {
    const answer = await once(folder, resource).catch((error: unknown) =>
      left === 1 ? rethrown(error) : ifGone(error),
    )
    if (answer !== 'moved' && answer !== null) return answer
  }
  throw Object.assign(new Error('It is replaced again and again.'), { code: 'EBUSY' })
}

/** What was looked at is what is read: the file is opened by its real path, which must not be a link by then. */
async function once(folder: string, resource: string): Promise<SecretAnswer | 'moved'> {
  const find = () => realpath(join(folder, resource))
  const [root, path] = [await realpath(folder), await find()]
  if (!path.startsWith(root.endsWith(sep) ? root : root + sep)) return { kind: 'forbidden' }
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(ifGone)
  if (file === null) return 'moved'
  try {
    refuseOdd(await file.stat())
    const text = fileText(await file.readFile())
    return (await find().catch(ifGone)) === path
      ? { kind: 'secret', text: new Secret(text.replace(/\r?\n$/, '')) }
      : 'moved'
  } finally {
    await file.close()
  }
}

function rethrown(error: unknown): never {
  throw error
}

/** It was there a moment ago, or will be in one. */
function ifGone(error: unknown): null {
  if ((error as { code?: unknown }).code === 'ENOENT') return null
  throw error
}
