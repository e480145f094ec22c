/** The frozen bundles of an earlier release, from test/builds. */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/** @returns a folder with its files, for as long as this process lives. */
export function unpackBuild(name: string): string {
  const from = join(import.meta.dirname, '../builds', name)
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-build-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  for (const path of readdirSync(from, { recursive: true, encoding: 'utf8' }).filter((each) => each.endsWith('.gz'))) {
    const to = join(folder, path.slice(0, -'.gz'.length))
    mkdirSync(dirname(to), { recursive: true })
    writeFileSync(to, gunzipSync(readFileSync(join(from, path))))
  }
  return folder
}
