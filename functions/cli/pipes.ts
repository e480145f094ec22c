/** Pipes that nobody reads any more, as behind `| head`: a command ends quietly, with the status of a program that SIGPIPE ends. */

/** 128 and the number of SIGPIPE. */
const SIGPIPE_STATUS = 141

/** What is said beside the result may get lost; the result, and the exit status, may not. */
export function surviveStderr(): void {
  process.stderr.on('error', () => {})
}

/** A command prints when its work is done, so that nothing is left half done. */
export function untilStdoutCloses(): void {
  process.stdout.on('error', end)
}

/** The server goes on when nobody reads its screen. */
export function outliveStdout(): void {
  process.stdout.off('error', end)
}

function end({ code }: NodeJS.ErrnoException): never {
  if (code === 'EPIPE') process.exit(SIGPIPE_STATUS)
  console.error(`Standard output cannot be written (${code ?? 'for an unknown reason'}).`)
  process.exit(1)
}
