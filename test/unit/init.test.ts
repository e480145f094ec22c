/** What `edge-keyring init` writes is what this repository deploys, and it writes all of it or nothing. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { unstable_readConfig } from 'wrangler'
import { Failure } from '../../functions/cli/failure.ts'
import { init } from '../../functions/cli/init.ts'
import type { Kind } from '../../functions/cli/own-repository.ts'
import { KINDS, ORIGINALS, TOOLS, filesOf } from '../../functions/cli/own-repository.ts'

const ROOT = join(import.meta.dirname, '../..')
const own = (name: string): string => readFileSync(join(ROOT, name), 'utf8')
const made = (kind: Kind) => filesOf(kind, own(ORIGINALS[kind]), '0.1.0')
/** Comments may differ, and may lie inside of what is cut. */
const withoutComments = (text: string): string[] => text.split('\n').filter((line) => !/^\s*(?:#|$)/.test(line))

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'edge-keyring-init-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const there = (): string[] =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => !lstatSync(join(dir, name)).isDirectory())
    .toSorted()

function refused(kind: string, folder = dir): string {
  try {
    init(kind, folder)
  } catch (error) {
    if (error instanceof Failure && error.exit === 2) return error.message
    throw error
  }
  return 'It was not refused.'
}

/** Where it is, and which environments it has. */
const OF_THE_FILE = new Set(['main', 'configPath', 'userConfigPath', 'definedEnvironments'])

describe('the files are those of this repository:', () => {
  it('wrangler reads the same bindings, migrations, triggers and all else', () => {
    const text = made('cloudflare').get('wrangler.toml') ?? ''
    writeFileSync(join(dir, 'wrangler.toml'), text)
    const read = (folder: string) => {
      const config = unstable_readConfig({ config: join(folder, 'wrangler.toml') })
      const rest = Object.entries(config).filter(([name]) => !OF_THE_FILE.has(name))
      return { main: config.main?.slice(folder.length), rest: Object.fromEntries(rest) }
    }
    const [ours, theirs] = [read(ROOT), read(dir)]
    expect(theirs.rest).toEqual(ours.rest)
    expect(theirs.rest).toMatchObject({ triggers: { crons: ['* * * * *'] }, migrations: [{ tag: 'v1' }] })
    expect(made('cloudflare').has(theirs.main?.slice(1) ?? '')).toBe(true)
    expect(text).not.toContain('[env.')
  })

  it('osls reads the same functions, roles and tables, but for where the handlers are', () => {
    const text = made('lambda').get('serverless.yml') ?? ''
    const handlers = text.match(/node_modules\/edge-keyring\/entries\/handlers\//g)
    expect(handlers).toHaveLength(9)
    const swapped = text.replaceAll('node_modules/edge-keyring/entries/handlers/', 'dist/lambda/')
    expect(withoutComments(swapped)).toEqual(withoutComments(own('serverless.yml')))
  })

  it('the image is the same, but for where its server is from', () => {
    const image = (text: string) => {
      const all = withoutComments(text)
      return all.slice(all.lastIndexOf('FROM node:24-slim')).filter((line) => !line.startsWith('COPY '))
    }
    const text = made('container').get('Dockerfile') ?? ''
    expect(image(text)).toEqual(image(own('Dockerfile')))
    expect(image(text)[0]).toMatch(/^FROM /)
    expect(text.match(/^FROM .*$/gm)).toEqual(own('Dockerfile').match(/^FROM .*$/gm))
  })

  it('what is not committed here is not committed there, and the tools are of the same versions', () => {
    const { version, engines, devDependencies } = JSON.parse(own('package.json')) as {
      version: string
      engines: object
      devDependencies: Record<string, string>
    }
    for (const kind of KINDS) {
      const ignored = made(kind).get('.gitignore')?.trim().split('\n') ?? []
      expect(own('.gitignore').split('\n')).toEqual(expect.arrayContaining(ignored))
      expect(ignored).toEqual(expect.arrayContaining(['node_modules/', '*.env', '.env*', '.dev.vars*']))
      expect(devDependencies).toMatchObject(TOOLS[kind])
      init(kind, join(dir, kind))
      const manifest = JSON.parse(readFileSync(join(dir, kind, 'package.json'), 'utf8')) as object
      expect(manifest).toMatchObject({ private: true, engines, dependencies: { 'edge-keyring': version } })
    }
  })

  it('an original without what is to be changed is refused', () => {
    const elsewhere = own('serverless.yml').replaceAll('dist/lambda/', 'elsewhere/')
    for (const [kind, text] of [
      ['lambda', elsewhere],
      ['cloudflare', elsewhere],
      ['container', own('wrangler.toml')],
    ] as const)
      expect(() => filesOf(kind, text, '0.1.0')).toThrow('There is nothing to change')
  })
})

describe.each(KINDS)('init %s', (kind) => {
  const FILES = [...made(kind).keys()].toSorted()

  it('writes into a folder that is not there, and says what it wrote', () => {
    const { document, screen } = init(kind, join(dir, 'a', 'b'))
    expect(there()).toEqual(FILES.map((name) => join('a/b', name)).toSorted())
    expect((document as { written: string[] }).written.toSorted()).toEqual(FILES)
    expect(screen).toContain(`  cd '${join(dir, 'a/b')}'\n  npm install\n`)
  })

  it.each(FILES.filter((name) => name !== 'package.json'))('overwrites no %s, and then writes nothing', (name) => {
    mkdirSync(dirname(join(dir, name)), { recursive: true })
    writeFileSync(join(dir, name), 'of somebody')
    expect(refused(kind)).toContain(`Already there: ${name}. Nothing was written. Move`)
    expect([there(), readFileSync(join(dir, name), 'utf8')]).toEqual([[name], 'of somebody'])
  })

  it('leaves a package.json as it is, and says what it lacks', () => {
    const text = '{"dependencies": {"edge-keyring": "file:x.tgz"}}'
    writeFileSync(join(dir, 'package.json'), text)
    const { screen } = init(kind, dir)
    expect([there(), readFileSync(join(dir, 'package.json'), 'utf8')]).toEqual([FILES, text])
    const [tool] = Object.entries(TOOLS[kind]).map(([name, version]) => `${name}@${version}`)
    expect(/^ {2}npm .*$/m.exec(String(screen))?.[0]).toBe(
      tool === undefined ? '  npm install' : `  npm install --save-dev --save-exact ${tool}`,
    )
    expect(screen).not.toContain('edge-keyring@')
  })

  it('installs the package where package.json does not name it', () => {
    writeFileSync(join(dir, 'package.json'), '{}')
    expect(init(kind, dir).screen).toContain('\n  npm install --save-exact edge-keyring@0.1.0\n')
  })

  it('has no secret in any file', () => {
    for (const text of made(kind).values()) expect(text).not.toMatch(/\bek_|hvs\.|[\w+/-]{43}=/)
  })
})

it('prints a folder so that it can be typed, and refuses one that cannot', () => {
  const before = process.cwd()
  process.chdir(dir)
  try {
    expect(init('lambda', "-it's").screen).toContain(`  cd -- '-it'\\''s'\n`)
  } finally {
    process.chdir(before)
  }
  for (const name of ['a\nrm b', 'a\u001B[2J', 'a\u202Eb'])
    expect(refused('lambda', join(dir, name))).toContain('has a character that nobody can see')
  expect(there().filter((name) => !name.startsWith('-it'))).toEqual([])
})

it('a package.json that is a link that leads nowhere is told of as one', () => {
  symlinkSync(join(dir, 'nowhere'), join(dir, 'package.json'))
  expect(refused('lambda')).toContain('package.json is a link that leads nowhere. Nothing was written.')
  expect(there()).toEqual(['package.json'])
})

it('names all that is there', () => {
  for (const name of ['wrangler.toml', '.gitignore']) writeFileSync(join(dir, name), '')
  expect(refused('cloudflare')).toContain('Already there: .gitignore, wrangler.toml. Nothing was written.')
})

it('what was written before something was in the way is taken back', () => {
  symlinkSync(join(dir, 'nowhere'), join(dir, 'src'))
  expect(refused('cloudflare')).toContain('Already there: src/worker.js. Nothing was written.')
  expect(there()).toEqual(['src'])
})

it('a file where a folder should be is told of, and nothing is written', () => {
  writeFileSync(join(dir, 'src'), '')
  expect(refused('cloudflare')).toMatch(/Nothing was written: .*src\/worker\.js cannot be written \(ENOTDIR\)\./)
  expect(refused('lambda', join(dir, 'src/a'))).toMatch(/cannot be written \(ENOTDIR\)/)
  expect(there()).toEqual(['src'])
})

it('a link that leads nowhere is not written through', () => {
  const outside = join(dir, 'outside')
  mkdirSync(join(dir, 'own'))
  symlinkSync(outside, join(dir, 'own', 'wrangler.toml'))
  expect(refused('cloudflare', join(dir, 'own'))).toContain('wrangler.toml')
  expect([existsSync(outside), there()]).toEqual([false, ['own/wrangler.toml']])
})

it('a package.json that is no JSON, and a platform that is none, are refused', () => {
  writeFileSync(join(dir, 'package.json'), 'x')
  expect(refused('cloudflare')).toMatch(/package\.json is not JSON/)
  expect(refused('Cloudflare')).toContain('The word <platform> is one of cloudflare, lambda, container.')
  expect(there()).toEqual(['package.json'])
})
