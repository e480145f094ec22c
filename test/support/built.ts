/** The built server and command line, made once for all tests of a process. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildNode } from '../../tools/build-node.ts'
import type { Programs } from './local.ts'

let building: Promise<Programs> | null = null

/** Far from every node_modules, so that nothing which was left out of it can be found. */
export const built = (): Promise<Programs> => (building ??= build())

async function build(): Promise<Programs> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-built-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  await buildNode(folder)
  return { server: join(folder, 'server.mjs'), cli: join(folder, 'edge-keyring.mjs') }
}
