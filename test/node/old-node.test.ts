/** On a Node that is too old there is one line, for every way in: no stack, and nothing begun. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const { scripts, bin, engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>
  bin: Record<string, string>
  engines: { node: string }
}

/** A process of this Node that says it is another. */
function on(version: string, file: string, ...words: string[]) {
  const pretend = `Object.defineProperty(process.versions, 'node', { value: '${version}' })`
  const args = ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`, join(ROOT, file), ...words]
  return new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) =>
    execFile(process.execPath, args, { cwd: ROOT }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    ),
  )
}

it.each(['16.20.2', '18.20.8', '22.23.3', '24.10.0'])('Node %s is refused in one line', async (version) => {
  for (const [file, ...words] of [['tools/require-node.mjs'], [bin['edge-keyring'] ?? '', 'status']] as const)
    expect(await on(version, file, ...words)).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        new RegExp(`^edge-keyring needs Node 24\\.11 or newer, and this is ${version.replaceAll('.', '\\.')}: .*\n$`),
      ),
    })
})

it('the Node that engines names is accepted', async () => {
  const least = engines.node.replace('>=', '')
  expect(await on(`${least}.0`, 'tools/require-node.mjs')).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(await on(`${least}.0`, bin['edge-keyring'] ?? '', '--version')).toMatchObject({ code: 0 })
})

it.each(['start', 'test', 'bench', 'package:lambda', 'deploy:worker'])('npm run %s asks for it first', (name) => {
  expect(scripts[`pre${name}`]).toBe('node tools/require-node.mjs')
})
