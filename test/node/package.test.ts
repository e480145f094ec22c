/** The package in an empty project: what it has, and that the examples of the README run there, on the oldest Node and on this one. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildLibrary } from '../../tools/build-package.ts'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import { sqliteStore } from '../../functions/node/sqlite-store.ts'
import { sqlItems } from '../../src/secrets/sql-items.ts'
import { PLAIN_SYNC, authorityOn, world } from '../support/authority.ts'
import { awsEnvironment, createTable, startDynalite, storeOn } from '../support/lambda/table.ts'
import { secretWorld } from '../support/secrets.ts'
import type { Project } from '../support/package.ts'
import { emptyProject, oldNode } from '../support/package.ts'
import { startWorkerd } from '../support/workerd.ts'

const ROOT = join(import.meta.dirname, '../..')
const WRAPPING_KEYS = `w1:${Buffer.alloc(32, 1).toString('base64')}`
const old = await oldNode()

/** The first example of a document in this language that has these words in it. */
function example(file: string, language: string, words: string): string {
  const blocks = readFileSync(join(ROOT, file), 'utf8').matchAll(/^```(\w*)\n([^]*?)^```/gm)
  const found = [...blocks].find(([, of, text = '']) => of === language && text.includes(words))
  if (found?.[2] === undefined) throw new Error(`${file} has no such example.`)
  return found[2]
}

async function bundled(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    external: ['cloudflare:*'],
  })
  return outputFiles[0]?.text ?? ''
}

describe('the library', () => {
  it('reaches none of the libraries of the service, and no code of Vault', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-parts-'))
    const all = await buildLibrary(folder).finally(() => rmSync(folder, { recursive: true }))
    const parts = all.flatMap(({ inputs }) => Object.keys(inputs))
    expect(parts).toEqual(expect.arrayContaining(['src/library/library.ts', 'functions/cloudflare/library.ts']))
    expect(parts.filter((part) => /^src\/(vault|config|http|auth)\//.test(part))).toEqual([])
    expect(parts.filter((part) => part.includes('node_modules/') && !part.includes('/aws4fetch/'))).toEqual([])
  })
})

describe('the package', () => {
  let project: Project
  beforeAll(async () => {
    project = await emptyProject()
  }, 120_000)
  afterAll(() => project.remove())

  it('brings nothing else along, and is ready to be published', () => {
    const installed = readdirSync(join(project.folder, 'node_modules')).filter((name) => !name.startsWith('.'))
    expect(installed).toEqual(['edge-keyring'])
    const own = JSON.parse(
      readFileSync(join(project.folder, 'node_modules/edge-keyring/package.json'), 'utf8'),
    ) as object
    expect(own).toMatchObject({ publishConfig: { provenance: true }, license: 'Apache-2.0' })
    expect(own).not.toHaveProperty('private')
    const { exports } = own as { exports: Record<string, string | { types: string; default: string }> }
    const named = Object.values(exports).flatMap((each) => (typeof each === 'string' ? [each] : Object.values(each)))
    const installedAt = (file: string) => existsSync(join(project.folder, 'node_modules/edge-keyring', file))
    expect(named.filter((file) => !installedAt(file))).toEqual([])
  })

  it('runs the example of the README', async () => {
    project.write('example.mjs', example('README.md', 'js', 'edge-keyring/testing'))
    expect(await project.run(['example.mjs'])).toBe('DE02 1203 0000 0000 2020 51\n')
  })

  it('resolves references in configurations', async () => {
    project.write('references.mjs', example('docs/library.md', 'js', 'resolveAll'))
    for (const node of [process.execPath, ...(old === null ? [] : [old])])
      expect(await project.run(['references.mjs'], node)).toBe('postgres: connected with s3cret\n')
  })

  it.skipIf(old === null)('runs it on Node 20 too', async () => {
    project.write('example.mjs', example('README.md', 'js', 'edge-keyring/testing'))
    expect(await project.run(['example.mjs'], old ?? '')).toBe('DE02 1203 0000 0000 2020 51\n')
    project.write(
      'sqlite.mjs',
      `import { openKeyring } from 'edge-keyring/node'
      const settings = { KEYRING_DATABASE: 'x', KEYRING_WRAPPING_KEYS: '${WRAPPING_KEYS}' }
      await openKeyring(settings).catch(({ code, remedy }) => console.log(code, remedy))`,
    )
    expect(await project.run(['sqlite.mjs'], old ?? '')).toMatch(/^ERR_STORE_UNAVAILABLE Use Node 22\.13 or newer/)
  })

  it('has references out of what is kept, on a Node without SQLite out of a store that is given', async () => {
    const on = secretWorld({ ttlMs: 60_000 })
    on.clock.time = Date.now()
    on.vault.answers.set('password', { pass: 's3cret' })
    await on.secrets.resolve(['{vault://hcv/password/pass}'])
    await on.look()
    const names = await on.items.list('hcv', '', 10)
    const items = await Promise.all(
      names.map(async (name) => [name, [...((await on.items.get('hcv', name))?.bytes ?? [])]]),
    )
    project.write(
      'kept.mjs',
      `import { openReferences } from 'edge-keyring/references/node'
      const items = new Map(${JSON.stringify(items)})
      const store = {
        get: async (_vault, name) => (items.has(name) ? { version: 1, bytes: new Uint8Array(items.get(name)) } : null),
      }
      const references = await openReferences({ KEYRING_WRAPPING_KEYS: '${WRAPPING_KEYS}' }, { store })
      console.log(await references.resolve('{vault://hcv/password/pass}'))`,
    )
    for (const node of [process.execPath, ...(old === null ? [] : [old])])
      expect(await project.run(['kept.mjs'], node)).toBe('s3cret\n')
  })

  it('has references out of the file of a server', async () => {
    const path = join(project.folder, 'keyring.sqlite')
    const store = sqliteStore(path)
    const on = secretWorld()
    on.clock.time = Date.now()
    on.vault.answers.set('db', { password: 's3cret' })
    const { secrets, look } = on.instance({}, { items: sqlItems(store.run, Date.now) })
    await secrets.resolve(['{vault://hcv/db/password}'])
    await look()
    store.close()
    project.write('settings', `KEYRING_DATABASE=${path}\nKEYRING_WRAPPING_KEYS=${WRAPPING_KEYS}\n`)
    project.write('file.mjs', example('docs/library.md', 'js', 'edge-keyring/references/node'))
    expect(await project.run(['--env-file=settings', 'file.mjs'])).toBe('s3cret\n')
  })

  it('bundled, starts on a Node without SQLite; and an error that nobody catches is short and says what to do', async () => {
    const entry = project.write(
      'uncaught.mjs',
      `import { openKeyring } from 'edge-keyring/node'
      console.log('started')
      await openKeyring({})`,
    )
    project.write('uncaught-bundle.mjs', await bundled(entry))
    const failing = async (file: string, node: string) =>
      project.run([file], node).catch((error: unknown) => error as { stdout: string; stderr: string })
    for (const node of [process.execPath, ...(old === null ? [] : [old])]) {
      const told = {
        stdout: 'started\n',
        stderr: expect.stringMatching(/^KeyringError: [^]*remedy: 'Correct the settings named/m),
      }
      expect(await failing('uncaught-bundle.mjs', node)).toMatchObject(told)
      const unbundled = await failing('uncaught.mjs', node)
      expect(unbundled).toMatchObject(told)
      expect((unbundled as { stderr: string }).stderr.length).toBeLessThan(4000)
    }
  })

  it('has errors that are those of every entry, each of which has a class of its own', async () => {
    project.write(
      'errors.mjs',
      `import { KeyringError } from 'edge-keyring/node'
      import { KeyringError as Other, testKeyring } from 'edge-keyring/testing'
      const error = await (await testKeyring()).decrypt('no value').catch((error) => error)
      console.log(KeyringError === Other, error instanceof KeyringError, new TypeError() instanceof KeyringError)`,
    )
    expect(await project.run(['errors.mjs'])).toBe('false true false\n')
  })

  it('is required from CommonJS', async () => {
    project.write(
      'common.cjs',
      `const { testKeyring } = require('edge-keyring/testing')
      testKeyring().then((keyring) => console.log(keyring.sync.encrypt('x').keyId))`,
    )
    for (const node of [process.execPath, ...(old === null ? [] : [old])])
      expect(await project.run(['common.cjs'], node)).toBe('test-1\n')
  })

  it('has every name of it that the pages call', async () => {
    const pages = ['library.md', 'fields.md'].map((name) => readFileSync(join(ROOT, 'docs', name), 'utf8')).join('')
    const named = ['column', 'columnSync', 'rowFields', 'lookups', 'inspect', 'KeyringError']
    expect(named.filter((name) => !pages.includes(`\`${name}`) && !pages.includes(`${name}(`))).toEqual([])
    for (const entry of ['node', 'lambda', 'testing']) {
      project.write('names.mjs', `import * as all from 'edge-keyring/${entry}'\nconsole.log(Object.keys(all).join())`)
      expect((await project.run(['names.mjs'])).trim().split(',')).toEqual(expect.arrayContaining(named))
    }
  })

  it('has a codec of columns for those that cannot wait, which reads what the other wrote', async () => {
    project.write(
      'codec.mjs',
      `import { column, columnSync, testKeyring } from 'edge-keyring/testing'
      const keyring = await testKeyring()
      const { seal, open } = columnSync(keyring.sync, 'users.email')
      console.log(open(await column(keyring, 'users.email').seal('ann')), open(seal('bob')), seal(null))`,
    )
    expect(await project.run(['codec.mjs'])).toBe('ann bob null\n')
  })

  it('has types, which refuse what would fail', async () => {
    project.write('right.ts', example('docs/library.md', 'ts', 'openKeyring'))
    project.write(
      'deployed.ts',
      `export { default, KeyringObject, KeyringService } from 'edge-keyring/worker'
      export { handler as http } from 'edge-keyring/handlers/http'
      export { handler as sync } from 'edge-keyring/handlers/sync'
      export { handler as rotate } from 'edge-keyring/handlers/rotate'
      // @ts-expect-error -- there is no such class
      export { Keyring } from 'edge-keyring/worker'`,
    )
    project.write(
      'codec.ts',
      `import { columnSync, openKeyring } from 'edge-keyring/node'
      import type { SyncColumn } from 'edge-keyring/node'
      const codec: SyncColumn = columnSync((await openKeyring()).sync, 'users.email', { plaintext: 'pass' })
      export const text: string = codec.seal('ann')`,
    )
    project.write(
      'wrong.ts',
      `import { openKeyring } from 'edge-keyring/lambda'
      const keyring = await openKeyring()
      // @ts-expect-error -- a number is no value
      await keyring.encrypt(7)
      // @ts-expect-error -- its result is no text
      const text: string = await keyring.decrypt('ek1.a.b')
      // @ts-expect-error -- there is no such option
      await openKeyring({}, { colour: 'red' })`,
    )
    project.write(
      'references.ts',
      `import { openReferences as onNode } from 'edge-keyring/references/node'
      import { openReferences as onLambda } from 'edge-keyring/references/lambda'
      const all = [await onNode(process.env), await onLambda()]
      const value: string = (await Promise.all(all.map((each) => each.resolve('{vault://a/b/c}')))).join()
      // @ts-expect-error -- it waits for what it opens
      onNode({}).resolve(value)`,
    )
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--lib',
      'es2023,esnext.disposable',
    ]
    const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types')]
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    project.write('package.json', JSON.stringify({ private: true, type: 'module' }))
    expect(
      await project
        .run([tsc, ...options, ...types, 'right.ts', 'deployed.ts', 'codec.ts', 'wrong.ts', 'references.ts'])
        .catch((error) => (error as { stdout: string }).stdout),
    ).toBe('')
  }, 60_000)

  it('has the command line', async () => {
    const bin = join(project.folder, 'node_modules/.bin/edge-keyring')
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    expect(await project.run([bin, '--version'])).toContain(version)
    expect(await project.run([bin, '--help'])).toMatch(/^Usage: edge-keyring .*\n[^]*^ {2}init .*$/m)
  })

  it('is bundled into a function, which reads the table', async () => {
    const server = await startDynalite()
    const table = await createTable(server.endpoint)
    const on = world(['k1:1'], storeOn(server.endpoint, table))
    on.clock.time = Date.now()
    expect(await authorityOn(on).sync('default', PLAIN_SYNC)).toMatchObject({ ok: true })
    const entry = project.write(
      'function.mjs',
      `import { invoked, openKeyring } from 'edge-keyring/lambda'
      const keyring = await openKeyring()
      export const handler = invoked(async (text) => (await keyring.decrypt((await keyring.encrypt(text)).ciphertext)).text)`,
    )
    project.write('bundle.mjs', await bundled(entry))
    const settings = { ...awsEnvironment(server.endpoint), KEYRING_TABLE: table, KEYRING_WRAPPING_KEYS: WRAPPING_KEYS }
    project.write(
      'call.mjs',
      `Object.assign(process.env, ${JSON.stringify(settings)})
      const { handler } = await import('./bundle.mjs')
      console.log(await handler('hello'))`,
    )
    for (const node of [process.execPath, ...(old === null ? [] : [old])])
      expect(await project.run(['call.mjs'], node)).toBe('hello\n')
    await server.close()
  }, 60_000)

  it('runs in a Worker, beside the one that syncs', async () => {
    const seed = {
      mount: 'secret',
      path: 'keyring',
      data: { id: 'first001', key: 'of no importance 0123456789abcdef' },
    }
    const vault = await startDevVault({ port: 0, dataFile: null, seed })
    const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-workerd-'))
    const token = 'ek_of_no_importance_but_long_enough'
    const sha256 = (await import('node:crypto')).createHash('sha256').update(token).digest('hex')
    const objects = { KEYRING_OBJECT: ['KeyringObject', 'main'] } as const
    const workerd = await startWorkerd(folder, [
      {
        name: 'main',
        entry: join(ROOT, 'functions/cloudflare/worker.ts'),
        objectClass: 'KeyringObject',
        objects,
        texts: {
          KEYRING_VAULT_HOST: vault.address,
          KEYRING_VAULT_MOUNT: 'secret',
          KEYRING_VAULT_PATH: 'keyring',
          KEYRING_VAULT_TOKEN: 'root',
          KEYRING_WRAPPING_KEYS: WRAPPING_KEYS,
          KONG_VAULT_HCV_HOST: '127.0.0.1',
          KONG_VAULT_HCV_PORT: new URL(vault.address).port,
          KONG_VAULT_HCV_KV: 'v2',
          KONG_VAULT_HCV_TOKEN: 'root',
          KEYRING_API_TOKENS: JSON.stringify([{ name: 'test', sha256, grants: ['admin'] }]),
        },
      },
      {
        name: 'app',
        objects,
        texts: { KEYRING_WRAPPING_KEYS: WRAPPING_KEYS },
        entry: project.write('worker.mjs', example('docs/library.md', 'js', 'edge-keyring/cloudflare')),
      },
      {
        name: 'resolving',
        entrypoints: { KEYRING: ['KeyringService', 'main', { grants: ['resolve:hcv/keyring/*'] }] },
        entry: project.write('resolving.mjs', example('docs/library.md', 'js', 'service: env.KEYRING')),
      },
    ])
    const headers = { authorization: `Bearer ${token}` }
    const synced = await fetch(`${workerd.url('main')}/keyring/vault/sync`, { method: 'POST', headers })
    const answer = await fetch(workerd.url('app'), { method: 'POST', body: 'hello' })
    expect([synced.status, answer.status, await answer.json()]).toEqual([204, 200, ['first001', 'hello', 'hello']])
    const resolved = await fetch(workerd.url('resolving'))
    expect(await resolved.json()).toEqual(['first001', 'ERR_FORBIDDEN'])
    await workerd.kill()
    await vault.close()
    rmSync(folder, { recursive: true, force: true })
  }, 60_000)

  it.each([
    ['node', 17],
    ['lambda', 20],
    ['cloudflare', 17],
    ['references', 5],
    ['references/node', 12],
    ['references/lambda', 15],
    ['references/cloudflare', 12],
    ['testing', 17],
  ])('is small: %s, within %d KB', async (name, most) => {
    const entry = project.write('all.mjs', `export * from 'edge-keyring/${name}'`)
    expect(gzipSync(await bundled(entry), { level: 9 }).length).toBeLessThanOrEqual(most * 1000)
  })
})
