/** `edge-keyring init`: writes a repository of one's own, all of it or nothing, and says what to type next. */
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseJson } from '../../src/core/body.ts'
import { printable } from '../../src/core/printable.ts'
import { VERSION } from '../node/screen.ts'
import type { Outcome } from './command.ts'
import { failed, systemFailure } from './failure.ts'
import { nextCommands } from './next-commands.ts'
import type { Kind } from './own-repository.ts'
import { KINDS, ORIGINALS, TOOLS, filesOf } from './own-repository.ts'

/** Whoever has installed the package has one: it stays, and the commands to type say what it lacks. */
const MANIFEST = 'package.json'

/** @param kind '' or any word, as it was typed. @param dir '' = this folder. @throws `ERR_USAGE`, and nothing was written. */
export function init(kind: string, dir: string): Outcome {
  if (!isKind(kind)) throw failed('ERR_USAGE', `The word <platform> is one of ${KINDS.join(', ')}.`)
  if (printable(dir, dir.length) !== dir)
    throw failed('ERR_USAGE', 'The name of the folder has a character that nobody can see or type.')
  const files = new Map(filesOf(kind, original(ORIGINALS[kind]), VERSION))
  const own = manifestIn(dir)
  if (own !== null) files.delete(MANIFEST)
  refuseTaken([...files.keys()].filter((path) => isTaken(join(dir, path))))
  writeAll(dir, files)
  const written = [...files.keys()]
  const next = [
    ...(dir === '' ? [] : [`cd ${dir.startsWith('-') ? '-- ' : ''}'${dir.replaceAll("'", "'\\''")}'`]),
    ...installing(kind, own),
    ...nextCommands(kind),
  ]
  const kept = own === null ? '' : `kept     ${MANIFEST}\n`
  const screen = `written  ${written.join('  ')}\n${kept}\nNext:\n${next.map((line) => `  ${line}\n`).join('')}`
  return { document: { platform: kind, written, next }, screen }
}

function isKind(word: string): word is Kind {
  return KINDS.some((each) => each === word)
}

/** They lie at the root of the package, and of the sources; an image has none. */
function original(name: string): string {
  const file = ['..', '../..'].map((up) => join(import.meta.dirname, up, name)).find((path) => existsSync(path))
  if (file === undefined) throw failed('ERR_USAGE', 'What init writes is not in this image: run it from the package.')
  return readFileSync(file, 'utf8')
}

interface Manifest {
  readonly dependencies?: object
  readonly devDependencies?: object
}

/** `null` = there is none. */
function manifestIn(dir: string): Manifest | null {
  const path = join(dir, MANIFEST)
  if (!isTaken(path)) return null
  if (!existsSync(path)) throw failed('ERR_USAGE', `${path} is a link that leads nowhere. Nothing was written.`)
  const found = attempt(path, () => parseJson(readFileSync(path, 'utf8')), 'read')
  if (typeof found !== 'object' || found === null)
    throw failed('ERR_USAGE', `${path} is not JSON; nothing was written.`)
  return found
}

function installing(kind: Kind, own: Manifest | null): readonly string[] {
  const has = { ...own?.dependencies, ...own?.devDependencies }
  const lacking = (wanted: Readonly<Record<string, string>>) =>
    Object.entries(wanted).flatMap(([name, version]) => (own !== null && !(name in has) ? [`${name}@${version}`] : []))
  const [needed, tools] = [lacking({ 'edge-keyring': VERSION }), lacking(TOOLS[kind])]
  return [
    ...needed.map((name) => `npm install --save-exact ${name}`),
    ...tools.map((name) => `npm install --save-dev --save-exact ${name}`),
    ...(needed.length + tools.length === 0 ? ['npm install'] : []),
  ]
}

/** A link that leads nowhere is there, too. */
const isTaken = (path: string): boolean => attempt(path, () => lstatSync(path, { throwIfNoEntry: false })) !== undefined

function refuseTaken(paths: readonly string[]): void {
  if (paths.length > 0) throw taken(paths)
}

const taken = (paths: readonly string[]) =>
  failed(
    'ERR_USAGE',
    `Already there: ${paths.join(', ')}. Nothing was written. Move what is there away, or name another folder: --dir.`,
  )

/** What was written before something failed is taken back. */
function writeAll(dir: string, files: ReadonlyMap<string, string>): void {
  const undo: (() => void)[] = []
  try {
    for (const [path, text] of files) {
      const file = join(dir, path)
      for (const folder of missing(dirname(resolve(file)))) {
        attempt(path, () => mkdirSync(folder))
        undo.unshift(() => rmdirSync(folder))
      }
      attempt(path, () => writeFileSync(file, '', { flag: 'wx' }))
      undo.unshift(() => rmSync(file))
      attempt(path, () => writeFileSync(file, text))
    }
  } catch (error) {
    for (const step of undo) step()
    throw error
  }
}

/** The folders of this path that there are not, the outermost first. */
function missing(folder: string): readonly string[] {
  return existsSync(folder) ? [] : [...missing(dirname(folder)), folder]
}

/** @throws `ERR_USAGE`, `ERR_FOLDER_UNUSABLE`. */
function attempt<T>(path: string, work: () => T, verb = 'written'): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw taken([path])
    throw systemFailure(`Nothing was written: ${path} cannot be ${verb}`, error)
  }
}
