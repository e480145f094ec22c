/** Packages what build-lambda.ts has built, and leaves nothing to deploy when its functions would refuse their settings. */
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const CLI = join(import.meta.dirname, '../functions/cli/main.ts')
const words = process.argv.slice(2)
const { values } = parseArgs({ args: words, options: { package: { type: 'string', short: 'p' } }, strict: false })
const inPackage = (name: string): string => join(String(values.package ?? '.serverless'), name)
const template = inPackage('cloudformation-template-update-stack.json')

const run = (program: string, ...args: string[]): number =>
  spawnSync(program, args, { stdio: 'inherit', shell: process.platform === 'win32' }).status ?? 1

const packaged = run('osls', 'package', ...words)
process.exitCode = packaged || run(process.execPath, CLI, 'check', '--platform', 'lambda', '--file', template)
if (process.exitCode !== 0)
  for (const file of [template, inPackage('serverless-state.json')]) rmSync(file, { force: true })
