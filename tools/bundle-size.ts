/** Fails when the Worker that `wrangler deploy` would upload is over its limit: `npx node tools/bundle-size.ts`, after `npm run build:worker`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

/** Ours, not Cloudflare's, which is in megabytes: what is larger starts more slowly. Why so much: decision 5. */
const LIMIT_KIB = 120
const FILE = join(import.meta.dirname, '../dist/worker/worker.js')

const kib = gzipSync(readFileSync(FILE)).length / 1024
console.log(`worker.js  gzipped ${kib.toFixed(1)} KiB of at most ${LIMIT_KIB}`)
if (kib > LIMIT_KIB) {
  console.error('The Worker is too large: look for what came in with "esbuild --bundle --minify --analyze".')
  process.exitCode = 1
}
