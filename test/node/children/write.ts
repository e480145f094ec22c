/** Writes whole records as fast as it can, and prints the number of each once it is written: write.ts <database>. */
import { writeSync } from 'node:fs'
import { sqliteStore } from '../../../functions/node/sqlite-store.ts'
import { recordNumber } from './numbered.ts'

const store = sqliteStore(process.argv[2] ?? '')
let version = (await store.get('record'))?.version ?? 0
for (;;) {
  await store.put('record', recordNumber(version + 1), version)
  version += 1
  writeSync(1, `${version}\n`)
}
