/** A disk of a few hundred kilobytes, to be filled or made read-only: a tmpfs. It takes root, on Linux. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, rmdirSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SmallDisk {
  readonly folder: string
  /** Until not one byte more fits. */
  fill(): void
  free(): void
  /** Nothing on it may be open for writing. */
  setReadOnly(): void
  remove(): void
}

export function smallDisk(kib = 512): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-disk-'))
  const filler = join(folder, 'filler')
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', folder])
  return {
    folder,
    fill() {
      const fd = openSync(filler, 'a')
      for (const size of [4096, 1]) while (takes(fd, size));
      closeSync(fd)
    },
    free: () => rmSync(filler),
    setReadOnly: () => void execFileSync('mount', ['-o', 'remount,ro', folder]),
    remove() {
      // Lazily: a process that a failed test has killed may not have let go yet.
      execFileSync('umount', ['-l', folder])
      rmdirSync(folder)
    },
  }
}

function takes(fd: number, size: number): boolean {
  try {
    return writeSync(fd, Buffer.alloc(size)) > 0
  } catch {
    return false
  }
}
