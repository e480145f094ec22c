/** The runtime killed while the object writes: a record is there whole or not at all, and never older than what was told. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { recordNumber } from '../node/children/numbered.ts'
import type { Service, Workerd } from '../support/workerd.ts'
import { serve, startWorkerd } from '../support/workerd.ts'

const KILLS = 20
const SERVICES: readonly Service[] = [
  {
    name: 'write',
    entry: join(import.meta.dirname, 'write-worker.ts'),
    objectClass: 'WriteObject',
    objects: { OBJECT: ['WriteObject', 'write'] },
  },
]

let folder: string
let running: Workerd
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'edge-keyring-workerd-'))
  running = await startWorkerd(folder, SERVICES)
}, 60_000)
afterAll(async () => {
  await running.kill()
  rmSync(folder, { recursive: true })
})

it(`holds a whole record, not older than the last one told, after each of ${KILLS} kills during writes`, async () => {
  for (let kill = 0; kill < KILLS; kill += 1) {
    const told = await killedAfter(1 + (kill % 7))
    running = await serve(folder, SERVICES)
    const response = await fetch(running.url('write'))
    const bytes = Buffer.from(await response.arrayBuffer())
    const version = Number(response.headers.get('version'))
    expect(version).toBeGreaterThanOrEqual(told)
    expect(Buffer.compare(bytes, recordNumber(version))).toBe(0)
  }
}, 120_000)

/** Kills the runtime once it has told of so many records, and gives the last one told. */
async function killedAfter(records: number): Promise<number> {
  const { body } = await fetch(running.url('write'), { method: 'POST' })
  const decoder = new TextDecoder()
  let text = ''
  try {
    for await (const chunk of body ?? []) {
      text += decoder.decode(chunk, { stream: true })
      if (text.split('\n').length > records) await running.kill()
    }
  } catch {
    // The connection ends with the process.
  }
  return Number(text.split('\n').at(-2))
}
