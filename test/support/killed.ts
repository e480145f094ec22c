/** A process that writes, and is killed at it. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/**
 * Starts a writer, kills it with SIGKILL once it has told of so many records, and gives the last one told.
 * @param moment waits in place for the moment to kill in.
 */
export function killedAfter(words: readonly string[], records: number, moment = () => {}): Promise<number> {
  return new Promise((resolve) => {
    const writer = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    let told = 0
    let seen = 0
    createInterface(writer.stdout).on('line', (line) => {
      told = Number(line)
      seen += 1
      if (seen !== records) return
      moment()
      writer.kill('SIGKILL')
    })
    writer.once('close', () => resolve(told))
  })
}
