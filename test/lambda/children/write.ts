/** Writes whole records as fast as it can, and prints the number of each once it is written: write.ts <endpoint> <table>. */
import { writeSync } from 'node:fs'
import { recordNumber } from '../../node/children/numbered.ts'
import { storeOn } from '../../support/lambda/table.ts'

const [endpoint = '', table = ''] = process.argv.slice(2)
const store = storeOn(endpoint, table)
let version = (await store.get('record'))?.version ?? 0
for (;;) {
  await store.put('record', recordNumber(version + 1), version)
  version += 1
  writeSync(1, `${version}\n`)
}
