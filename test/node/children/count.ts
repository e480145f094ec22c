/** Raises a counter: count.ts <database> <times>. */
import { sqliteStore } from '../../../functions/node/sqlite-store.ts'

const [path = '', times = '0'] = process.argv.slice(2)
const store = sqliteStore(path)
for (let done = 0; done < Number(times);) {
  const stored = await store.get('counter')
  const next = new TextEncoder().encode(String(Number(new TextDecoder().decode(stored?.bytes)) + 1))
  if ((await store.put('counter', next, stored?.version ?? 0)) !== 'conflict') done += 1
}
store.close()
