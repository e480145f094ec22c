/** `npm run bench`, or one part: `npm run bench -- http`. Prints tables and writes bench/results/latest.json. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { benchHttp } from './http.ts'
import { benchRecord, benchSync } from './keyring.ts'
import { benchStart } from './start.ts'

const PARTS: Readonly<Record<string, () => Promise<object[]>>> = {
  http: benchHttp,
  sync: benchSync,
  record: benchRecord,
  start: benchStart,
}

const results: Record<string, object[]> = {}
const asked = process.argv.slice(2)
for (const [name, part] of Object.entries(PARTS)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  console.log(`\n${name}`)
  const rows = (results[name] = await part())
  console.table(rows)
}
const folder = join(import.meta.dirname, 'results')
mkdirSync(folder, { recursive: true })
writeFileSync(
  join(folder, 'latest.json'),
  `${JSON.stringify({ time: new Date().toISOString(), node: process.version, results }, null, 2)}\n`,
)
