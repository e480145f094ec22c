/** The record store that keeps nothing: for tests, and for keyrings that need not outlive the process. */
import { refuseLargeRecord } from '../core/record-size.ts'
import type { SharedStore, StoredRecord } from '../core/ports.ts'

/** What it returns is what it holds, so that nobody may write to it. */
export function memoryStore(): SharedStore {
  const records = new Map<string, StoredRecord>()
  return {
    readersMs: 1000,
    get: async (name) => records.get(name) ?? null,
    async put(name, bytes, expected) {
      refuseLargeRecord(name, bytes)
      if ((records.get(name)?.version ?? 0) !== expected) return 'conflict'
      const stored = { bytes: bytes.slice(), version: expected + 1 }
      records.set(name, stored)
      return stored
    },
  }
}
