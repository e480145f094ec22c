import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sqliteStore } from '../../functions/node/sqlite-store.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { recordStoreContract } from './record-store.ts'

recordStoreContract('in memory', () => {
  const store = memoryStore()
  return { handles: [store, store], close: () => {} }
})

recordStoreContract('in SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  const handles = [sqliteStore(join(folder, 'db')), sqliteStore(join(folder, 'db'))] as const
  return {
    handles,
    close() {
      for (const handle of handles) handle.close()
      rmSync(folder, { recursive: true })
    },
  }
})
