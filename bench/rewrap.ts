/** The command `rewrap`, as it is installed: a million rows of two fields from CSV to CSV, in the process that has the store. Linux. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rewrapping, writeRows } from '../test/support/rewrapping.ts'
import { buildNode } from '../tools/build-node.ts'
import { cpuMs } from './child.ts'
import type { Row } from './measure.ts'
import { rounded, tempFolder, wanted, withEnds } from './measure.ts'

const ROWS = 1_000_000
const [MOST_SECONDS, MOST_MIB] = [60, 150]
/** So many different values are enough. */
const VALUES = 1000
const WORDS = ['rewrap', 'in.csv', 'out.csv', '--columns', 'email,iban']

export function benchRewrap(): Promise<Row[]> {
  return withEnds(async (onEnd) => {
    const kit = await rewrapping()
    onEnd(kit.close)
    const values = await Promise.all(Array.from({ length: VALUES }, (_, at) => kit.old(`value ${at}`.padEnd(32, '.'))))
    const valueOf = (at: number): string => values[at % VALUES] ?? ''
    await writeRows(
      join(kit.folder, 'in.csv'),
      'id,email,iban\n',
      ROWS,
      async (at) => `${at},${valueOf(at)},${valueOf(at + 1)}\n`,
    )
    const built = tempFolder(onEnd)
    await buildNode(built)
    const began = performance.now()
    const env = { PATH: process.env['PATH'], ...kit.env }
    const child = spawn(process.execPath, [join(built, 'edge-keyring.mjs'), ...WORDS], {
      cwd: kit.folder,
      env,
      stdio: 'ignore',
    })
    let [cpu, mib] = [0, 0]
    const look = setInterval(() => ([cpu, mib] = [cpuMs(child.pid) / 1000, Math.max(mib, peakMiB(child.pid))]), 100)
    const [code] = (await once(child, 'exit')) as [number | null]
    clearInterval(look)
    if (code !== 0) throw new Error(`rewrap ended with ${code}`)
    const seconds = (performance.now() - began) / 1000
    const isMet = seconds <= MOST_SECONDS && mib <= MOST_MIB
    return [
      {
        rows: ROWS,
        seconds: rounded(seconds, 1),
        'cpu s': rounded(cpu, 1),
        'peak MiB': rounded(mib, 0),
        ...wanted(`≤ ${MOST_SECONDS} s, ≤ ${MOST_MIB} MiB`, isMet),
      },
    ]
  })
}

/** 0 = it has just ended. */
const peakMiB = (pid: number | undefined): number =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
