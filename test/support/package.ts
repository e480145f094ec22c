/** The package as somebody has it who installs it: packed, and installed into an empty project, without network. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { buildPackage } from '../../tools/build-package.ts'

const run = promisify(execFile)

export interface Project {
  readonly folder: string
  /** Writes a file, and gives its path. */
  write(name: string, text: string): string
  /** What a program prints. @param node Absent = this one. */
  run(words: readonly string[], node?: string): Promise<string>
  remove(): void
}

interface Packed {
  /** What is installed has its files under this. */
  readonly folder: string
  /** Installs it into a folder of this name that it makes, with nothing else in it. */
  install(name: string): Promise<string>
  remove(): void
}

export async function packed(): Promise<Packed> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-project-'))
  const built = join(folder, 'built')
  await buildPackage(built)
  await run('npm', ['pack', '--silent', built], { cwd: folder })
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? ''
  return {
    folder,
    async install(name) {
      const project = join(folder, name)
      mkdirSync(project)
      await run(
        'npm',
        ['install', '--offline', '--no-audit', '--no-fund', '--prefix', project, join(folder, tarball)],
        { cwd: project },
      )
      return project
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

export async function emptyProject(): Promise<Project> {
  const pack = await packed()
  const project = await pack.install('project')
  return {
    folder: project,
    write(name, text) {
      writeFileSync(join(project, name), text)
      return join(project, name)
    },
    async run(words, node = process.execPath) {
      const { stdout } = await run(node, [...words], { cwd: project })
      return stdout
    },
    remove: () => pack.remove(),
  }
}

/** A Node 20 of this machine. `null` = it has none. */
export async function oldNode(): Promise<string | null> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const node = join(folder, 'node')
    const version = await run(node, ['--version']).then(
      ({ stdout }) => stdout,
      () => '',
    )
    if (version.startsWith('v20.')) return node
  }
  return null
}
