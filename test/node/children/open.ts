/** A thread that opens new databases at the very moment at which others do. */
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { sqliteStore } from '../../../functions/node/sqlite-store.ts'

interface Task {
  readonly folder: string
  readonly files: number
  readonly threads: number
  readonly gate: SharedArrayBuffer
}

const { folder, files, threads, gate } = workerData as Task
const arrived = new Int32Array(gate)
const refused: string[] = []
for (let file = 0; file < files; file += 1) {
  Atomics.add(arrived, 0, 1)
  while (Atomics.load(arrived, 0) < (file + 1) * threads);
  try {
    sqliteStore(join(folder, `db${file}`)).close()
  } catch (error) {
    refused.push(String(error))
  }
}
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
parentPort?.postMessage(refused)
