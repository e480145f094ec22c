/** `vault get` and `exec`: the bare value, the environment of a program, and what never begins. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json as bodyOf } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runCli } from '../support/cli.ts'
import type { Listening } from '../support/listen.ts'
import { listen } from '../support/listen.ts'
import { CLI } from '../support/local.ts'

const VALUES: Readonly<Record<string, string>> = {
  '{vault://hcv/password/pass1}': 'a value\n with "quotes" $HOME é',
  '{vault://hcv/password/nul}': 'a\0b',
  '{vault://hcv/password/nested}': '{vault://hcv/password/pass1}',
}

let server: Listening
let cwd: string
let asked: string[][]
let refreshed: boolean[]
beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'edge-keyring-references-'))
  server = await listen(async (request, response) => {
    const { references, refresh } = (await bodyOf(request)) as { references: string[]; refresh: boolean }
    asked.push(references)
    refreshed.push(refresh)
    const secrets = references.map((reference) => {
      const value = VALUES[reference]
      const error = { code: 'ERR_SECRET_NOT_FOUND', message: 'The vault has no such secret.', remedy: 'Write it.' }
      return value === undefined ? { reference, error } : { reference, value }
    })
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ secrets }))
  })
})
afterAll(async () => {
  await server.close()
  rmSync(cwd, { recursive: true })
})
beforeEach(() => {
  asked = []
  refreshed = []
})

const deployment = () => ({ EDGE_KEYRING_URL: server.url, EDGE_KEYRING_TOKEN: 'ek_of_the_tests' })
const cli = (words: string[], env: Record<string, string> = {}) =>
  runCli(words, { cwd, env: { ...deployment(), ...env } })
/** A program that prints its environment. */
const PRINT = [process.execPath, '-e', 'console.log(JSON.stringify(process.env))']

describe('edge-keyring vault get', () => {
  it.each(['{vault://hcv/password/pass1}', 'vault://hcv/password/pass1'])(
    'prints the bare value of %s',
    async (text) => {
      const { code, stdout, stderr } = await cli(['vault', 'get', text])
      expect([code, stdout]).toEqual([0, VALUES['{vault://hcv/password/pass1}']])
      expect(stderr).toBe(`deployment ${server.url}\n`)
      expect(asked).toEqual([['{vault://hcv/password/pass1}']])
    },
  )

  it('asks the vault anew where that is said', async () => {
    await cli(['vault', 'get', 'vault://hcv/password/pass1'])
    await cli(['vault', 'get', '--refresh', 'vault://hcv/password/pass1'])
    expect(refreshed).toEqual([false, true])
  })

  it('says once, by their names, that the vaults of its own environment are not used', async () => {
    const own = { KONG_VAULT_HCV_HOST: 'vault.example', KONG_VAULT_HCV_TOKEN: 'canary', KEYRING_VAULTS: '["canary"]' }
    const { code, stdout, stderr } = await cli(['vault', 'get', 'vault://hcv/password/pass1'], own)
    expect([code, stdout]).toEqual([0, VALUES['{vault://hcv/password/pass1}']])
    const notes = stderr.split('\n').filter((line) => line.startsWith('note: '))
    expect(notes).toEqual([expect.stringMatching(/^note: not used: .*what answers has vaults of its own/)])
    for (const name of Object.keys(own)) expect(notes[0]).toContain(name)
    expect(stderr).not.toContain('canary')
    const run = await cli(['exec', '--', ...PRINT], {
      ...own,
      A: '{vault://hcv/password/pass1}',
      B: '{vault://hcv/password/nested}',
    })
    expect(run.stderr.match(/^note: /gm)).toHaveLength(1)
    expect(JSON.parse(run.stdout)).toMatchObject({ KONG_VAULT_HCV_TOKEN: 'canary' })
  })

  it('says why there is none on standard error alone', async () => {
    const { code, stdout, stderr } = await cli(['vault', 'get', '{vault://hcv/none/a}'])
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/ERR_SECRET_NOT_FOUND: The vault has no such secret\.\nWrite it\.\n$/)
  })

  it('prints JSON for machines', async () => {
    const { stdout } = await cli(['vault', 'get', '--json', 'vault://hcv/password/nested'])
    expect(JSON.parse(stdout)).toEqual({
      reference: '{vault://hcv/password/nested}',
      value: '{vault://hcv/password/pass1}',
    })
  })
})

describe('edge-keyring exec', () => {
  it('runs a program with the values in its environment, and without our credentials', async () => {
    const { code, stdout } = await cli(['exec', '--', ...PRINT], {
      KONG_PG_PASSWORD: '{vault://hcv/password/pass1}',
      INNER: '{vault://hcv/password/nested}',
      HEADER: 'Bearer {vault://hcv/password/pass1}',
      EDGE_KEYRING_HEADERS: '{"x-a":"b"}',
      KEYRING_WRAPPING_KEYS: 'w1:x',
      KEYRING_VAULT_TOKEN: '{vault://aws/edge-keyring/token}',
      KONG_KEYRING_VAULT_TOKEN: 'of Kong',
      VAULT_TOKEN: 'of the program',
    })
    const env = JSON.parse(stdout) as Record<string, string>
    expect(code).toBe(0)
    expect(env).toMatchObject({
      KONG_PG_PASSWORD: VALUES['{vault://hcv/password/pass1}'],
      INNER: '{vault://hcv/password/pass1}',
      HEADER: 'Bearer {vault://hcv/password/pass1}',
      EDGE_KEYRING_URL: server.url,
      KONG_KEYRING_VAULT_TOKEN: 'of Kong',
      VAULT_TOKEN: 'of the program',
    })
    for (const name of ['EDGE_KEYRING_TOKEN', 'EDGE_KEYRING_HEADERS', 'KEYRING_WRAPPING_KEYS', 'KEYRING_VAULT_TOKEN'])
      expect(env).not.toHaveProperty(name)
    expect(asked).toEqual([['{vault://hcv/password/pass1}', '{vault://hcv/password/nested}']])
  })

  it.each(['{vault://hcv/none/a}', '{vault://hcv/password/pass1} {vault://hcv/none/a}'])(
    'leaves the list of references to the program as it is: %s',
    async (list) => {
      const { code, stdout, stderr } = await cli(['exec', '--', ...PRINT], { KEYRING_REFERENCES: list })
      expect([code, stderr]).toEqual([0, ''])
      expect(JSON.parse(stdout)).toMatchObject({ KEYRING_REFERENCES: list })
      expect(asked).toEqual([])
    },
  )

  it('takes the words as they are: no shell reads them, and an empty one is one', async () => {
    const words = ['$(echo x)', '', '--json', 'a b;c']
    const { stdout } = await cli(['exec', '--', process.execPath, '-e', 'console.log(process.argv.slice(1))', ...words])
    expect(stdout).toBe("[ '$(echo x)', '', '--json', 'a b;c' ]\n")
    expect(asked).toEqual([])
  })

  it.each<[string, Record<string, string>, number, RegExp]>([
    [
      'a secret is missing',
      { A: '{vault://hcv/password/pass1}', B: '{vault://hcv/none/a}' },
      1,
      /ERR_SECRET_NOT_FOUND: B: /,
    ],
    ['a value has a NUL', { A: '{vault://hcv/password/nul}' }, 1, /ERR_SECRET_UNUSABLE: .* A has a NUL/],
    [
      'the deployment does not answer',
      { A: '{vault://hcv/a}', EDGE_KEYRING_URL: 'http://127.0.0.1:1' },
      3,
      /ERR_DEPLOYMENT_UNREACHABLE/,
    ],
    ['a reference is in NODE_OPTIONS', { NODE_OPTIONS: '' }, 2, /ERR_USAGE: A reference in NODE_OPTIONS/],
    ['a reference is in LD_PRELOAD', { LD_PRELOAD: '{vault://hcv/password/pass1}' }, 2, /ERR_USAGE: .*LD_PRELOAD/],
    ['a reference is in DYLD_INSERT_LIBRARIES', { DYLD_INSERT_LIBRARIES: '{vault://hcv/a}' }, 2, /ERR_USAGE: .*DYLD_/],
    ['a reference is in PATH', { PATH: '{vault://hcv/password/pass1}' }, 2, /ERR_USAGE: A reference in PATH/],
  ])('does not begin when %s', async (_name, env, expected, why) => {
    // Node itself would not start with a reference in its options: only the shell sets them, for the command alone.
    const line = [
      'NODE_OPTIONS' in env ? "process.env.NODE_OPTIONS='{vault://hcv/a}';" : '',
      `import(${JSON.stringify(CLI)})`,
    ]
    const { NODE_OPTIONS: _, ...rest } = env
    const child = spawn(process.execPath, ['-e', line.join(''), 'main', 'exec', '--', ...PRINT], {
      cwd,
      env: { PATH: process.env['PATH'] ?? '', ...deployment(), ...rest },
    })
    const [out, err] = [[] as Buffer[], [] as Buffer[]]
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    const code = await new Promise((resolve) => child.once('close', resolve))
    expect([code, Buffer.concat(out).toString()]).toEqual([expected, ''])
    expect(Buffer.concat(err).toString()).toMatch(why)
  })

  it.each([
    ['its own', ['-e', 'process.exit(7)'], 7],
    ['of a signal', ['-e', 'process.kill(process.pid, "SIGKILL")'], 137],
  ])('ends with the exit status of the program: %s', async (_name, words, expected) => {
    expect((await cli(['exec', '--', process.execPath, ...words])).code).toBe(expected)
  })

  it('says when there is no such program', async () => {
    const { code, stderr } = await cli(['exec', '--', 'no-such-program-anywhere'])
    expect([code, stderr]).toEqual([127, 'The program cannot be started (ENOENT).\n'])
  })

  it('passes signals on', async () => {
    const program =
      "process.on('SIGTERM', () => process.exit(9)); setTimeout(() => process.exit(1), 30_000); console.log('ready')"
    const child = spawn(process.execPath, [CLI, 'exec', '--', process.execPath, '-e', program], {
      cwd,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    child.kill('SIGTERM')
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(9)
  })
})
