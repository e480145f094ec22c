/** `edge-keyring init` on a disk in trouble: what it has begun is not left behind. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { init } from '../../functions/cli/init.ts'
import { smallDisk } from '../support/small-disk.ts'

it('a full disk keeps nothing of it', () => {
  const disk = smallDisk()
  onTestFinished(() => disk.remove())
  disk.fill()
  const full =
    /^ERR_FOLDER_UNUSABLE: Nothing was written: .*package\.json cannot be written: its disk is full \(ENOSPC\)\./
  expect(() => init('cloudflare', disk.folder)).toThrow(full)
  expect(() => init('cloudflare', join(disk.folder, 'a/b'))).toThrow(full)
  expect(readdirSync(disk.folder)).toEqual(['filler'])
})
