import { refuseLargeRecord } from '../core/record-size.ts'
import type { RecordStore, StoredRecord } from '../core/ports.ts'

/** For tests and for keyrings that need not outlive the process. What is returned is shared: it must not be written to. */
export function memoryStore(): RecordStore {
  const records = new Map<string, StoredRecord>()
  return {
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
