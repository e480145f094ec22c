/** Files of one folder as a vault behind references; a link that leads out of it is no file of the folder. */
import { constants } from 'node:fs'
import { open, readdir, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { KeyringError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import type { SecretAnswer, SecretBackend } from '../../src/core/secrets.ts'
import { fileText, isOdd, refuseOdd } from './text-file.ts'

/** One line end at the end of a file is not part of its text. */
export const fileBackend = (folder: string): SecretBackend => ({
  async read({ resource }) {
    try {
      return await inFolder(folder, resource)
    } catch (error) {
      const { code } = error as { code?: unknown }
      if (code === 'EACCES' || code === 'EPERM' || code === 'ELOOP') return { kind: 'forbidden' }
      if (code === 'ENAMETOOLONG') return { kind: 'absent' }
      const why = typeof code === 'string' ? code : 'unknown'
      if (isOdd(why)) throw new KeyringError('ERR_SECRET_UNUSABLE', `The secret is no file that is read (${why}).`)
      throw new KeyringError('ERR_STORE_UNAVAILABLE', `A file of the vault's folder cannot be read (${why}).`, {
        remedy: "Check the vault's folder and its disk.",
      })
    }
  },
})

/** A folder that is replaced while it is read, as kubelet does, is read again so often. */
const TRIES = 5

/** A file is absent if it was missed twice and nothing was replaced in its folder meanwhile. */
async function inFolder(folder: string, resource: string): Promise<SecretAnswer> {
  let names: string | null = null
  for (let left = TRIES; left > 0; left -= 1) {
    const answer = await once(folder, resource).catch(ifGone)
    if (answer === null) {
      const now = await namesIn(folder)
      if (now === names) return { kind: 'absent' }
      names = now
    } else if (answer !== 'moved') return answer
  }
  throw Object.assign(new Error('It is replaced again and again.'), { code: 'EBUSY' })
}

const namesIn = async (folder: string) => JSON.stringify(((await readdir(folder).catch(ifGone)) ?? []).toSorted())

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

/** It was there a moment ago, or will be in one. */
function ifGone(error: unknown): null {
  const { code } = error as { code?: unknown }
  if (code === 'ENOENT' || code === 'ENOTDIR') return null
  throw error
}
