/** The lines of the pages on platforms, pasted: they work, and leave no secret behind. */
import { execFileSync, spawn } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Local } from '../support/local.ts'
import { CLI, local } from '../support/local.ts'

const ROOT = join(import.meta.dirname, '../..')

let on: Local
beforeEach(async () => {
  on = await local()
})
afterEach(() => on.remove())

/** The lines of the block of a page that has `text` in it, with this checkout's command line. */
const block = (page: string, text: string): string =>
  (
    readFileSync(join(ROOT, 'docs', page), 'utf8')
      .split('```')
      .find((part, at) => at % 2 === 1 && part.includes(text)) ?? ''
  ).replaceAll('npx edge-keyring', `"${process.execPath}" "${CLI}"`)

/** In place of a program that needs an account: it keeps what it is given outside of the folder. */
const standIn = (name: string): string => `${name}() { echo "${name} $*" >&2; case "$*" in *stdin) cat >&3;; esac; }\n`

it('docs/lambda.md: secrets go to Secrets Manager through no file, and are what the functions accept', async () => {
  const lines = block('lambda.md', 'create-secret').replace(/^read .*$/m, 'export VAULT_TOKEN=root')
  const programs = ['aws', 'npm', 'npx'].map(standIn).join('')
  const { code, stdout, stderr } = await on.bash(`set -e\nexec 3>&1\n${programs}${lines}`)
  expect([code, readdirSync(on.folder)]).toEqual([0, []])
  expect(stderr).toMatch(/api_token: 'ek_/)
  expect(stderr).toMatch(/aws secretsmanager create-secret [^]*npm run package:lambda\nnpx osls deploy --package/)
  const secret = JSON.parse(stdout) as Record<string, string>
  const { wrapping_keys, api_tokens, vault_token, ...more } = secret
  expect(more).toEqual({})
  const env = {
    KEYRING_VAULT_HOST: 'https://vault.example',
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: 'keyring',
    KEYRING_VAULT_TOKEN: vault_token,
    KEYRING_WRAPPING_KEYS: wrapping_keys,
    KEYRING_API_TOKENS: api_tokens,
  }
  expect(parseConfig(env, 'workers')).toMatchObject({ ok: true, notices: [] })
})

it.each([
  ['to try', 'printf', 'npx wrangler dev --env-file worker.env'],
  ['to deploy', 'wrangler login', 'npm run deploy:worker -- --env='],
])('docs/cloudflare.md, %s: one file, for its owner alone, that a Worker accepts', async (_what, text, last) => {
  const lines = block('cloudflare.md', text)
  const seen = join(on.folder, '..', `${on.port}.seen`)
  const keeping = ['npm', 'npx'].map(
    (name) => `${name}() { echo "${name} $*"; [ ! -f worker.env ] || cp -p worker.env "${seen}"; }\n`,
  )
  const { code, stdout } = await on.bash(`set -e\n${keeping.join('')}${lines.replace('hvs.…', 'root')}`)
  const [settings, mode] = [readFileSync(seen, 'utf8'), statSync(seen).mode & 0o777]
  execFileSync('rm', [seen])
  expect([code, stdout.trim().split('\n').at(-1), mode]).toEqual([0, last, 0o600])
  expect(parseConfig(parseEnv(settings), 'workers')).toMatchObject({ ok: true, notices: [] })
  expect(existsSync(join(on.folder, 'worker.env'))).toBe(text === 'printf')
})

it('docs/cloudflare.md: under wrangler dev the line of the scheduled handler syncs, and rotates what is due', async () => {
  const dataFile = join(on.folder, 'vault.json')
  const seed = { mount: 'secret', path: 'keyring', data: { id: 'first001', key: 'some key material of no importance' } }
  await (await startDevVault({ port: 0, dataFile, seed })).close()
  writeFileSync(dataFile, readFileSync(dataFile, 'utf8').replaceAll(/"20\d\d(-\d\d-\d\dT)/g, '"2025$1'))
  const vault = await startDevVault({ port: 0, dataFile })
  const lines = block('cloudflare.md', 'printf').replace('http://127.0.0.1:8200', vault.address)
  const { stderr } = await on.bash(`set -e\nnpx() { :; }\n${lines}`)
  const token = /ek_\S+/.exec(stderr)?.[0]
  appendFileSync(join(on.folder, 'worker.env'), 'KEYRING_ROTATION=30d\n')
  const words = [
    'dev',
    '--env-file',
    join(on.folder, 'worker.env'),
    '--config',
    join(ROOT, 'wrangler.toml'),
    '--persist-to',
    join(on.folder, 'state'),
  ]
  const ports = [
    '--ip',
    '127.0.0.1',
    '--port',
    String(on.port),
    '--inspector-port',
    '0',
    '--show-interactive-dev-session=false',
  ]
  const child = spawn(join(ROOT, 'node_modules/.bin/wrangler'), [...words, ...ports], { cwd: on.folder, stdio: 'pipe' })
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const printed: string[] = []
  try {
    await new Promise<void>((resolve, reject) => {
      const look = (chunk: Buffer) => {
        printed.push(chunk.toString())
        if (/Ready on/.test(printed.join(''))) resolve()
      }
      child.stdout.on('data', look)
      child.stderr.on('data', look)
      void closed.then(() => reject(new Error(printed.join(''))))
    })
    const scheduled = /curl (localhost:8787\/\S+scheduled)/.exec(block('cloudflare.md', 'scheduled'))?.[1] ?? ''
    const url = (path: string) => `http://127.0.0.1:${on.port}${path}`
    expect((await fetch(url(scheduled.replace('localhost:8787', '')))).status).toBe(200)
    const answer = await fetch(url('/keyring'), { headers: { authorization: `Bearer ${token}` } })
    const { ids, active } = (await answer.json()) as { ids: string[]; active: string }
    expect([ids.length, active === 'first001']).toEqual([2, false])
  } finally {
    child.kill('SIGTERM')
    await closed
    await vault.close()
  }
})

it('files of secrets that the pages and wrangler know are not committed', () => {
  const names = ['worker.env', '.env', '.env.production', '.dev.vars', '.dev.vars.production']
  expect(
    execFileSync('git', ['check-ignore', ...names], { cwd: ROOT, encoding: 'utf8' })
      .trim()
      .split('\n'),
  ).toEqual(names)
})

it('the pages know one name for the file of secrets', () => {
  const pages = [
    'README.md',
    ...readdirSync(join(ROOT, 'docs'))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
  ]
  const named = pages.flatMap(
    (page) => readFileSync(join(ROOT, page), 'utf8').match(/[\w.-]*\.env\b|\.dev\.vars|secrets?\.json/g) ?? [],
  )
  expect(new Set(named.filter((name) => name !== 'process.env'))).toEqual(
    new Set(['worker.env', 'edge-keyring.env', 'keyring.env']),
  )
})

describe('docs/node.md', () => {
  const UNIT = block('node.md', '[Service]').replace(/^ini\n/, '')

  it('makes settings that a start accepts, and starts what the unit and the container start', async () => {
    const [etc, state] = [join(on.folder, 'etc.env'), join(on.folder, 'state')]
    const here = (lines: string) =>
      lines
        .replaceAll('/etc/edge-keyring.env', etc)
        .replaceAll('/var/lib/edge-keyring', state)
        .replaceAll('/var/backups', on.folder)
        .replaceAll('PORT=8001', `PORT=${on.port}`)
        .replaceAll('=…', '=root')
    const made = await on.bash(`set -e\nunset PORT KEYRING_DEV_VAULT_PORT\n${here(block('node.md', 'secrets new'))}`)
    expect(made).toMatchObject({ code: 0, stdout: 'ok  node: nothing is missing or wrong\n' })
    expect(statSync(etc).mode & 0o777).toBe(0o600)
    const [, program = '', server = ''] = /^ExecStart=(\S+) \/opt\/edge-keyring\/(\S+)$/m.exec(UNIT) ?? []
    expect(program).toMatch(/node$/)
    const [, inImage = '[]'] = /^CMD (\[.+\])$/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8')) ?? []
    const words = JSON.parse(inImage) as string[]
    expect(block('node.md', 'docker run')).toMatch(
      new RegExp(` ${words.toSpliced(-1, 0, '--env-file=\\S+').join(' ')}\n`),
    )
    const script = [
      'unset PORT',
      `"${process.execPath}" --env-file="${etc}" "${join(ROOT, server)}" > out 2> err & pid=$!`,
      `until curl -sf localhost:${on.port}/healthz; do :; done; until [ -s err ] && grep -q listening err; do :; done`,
      here(block('node.md', '.backup')),
      'kill -TERM $pid; wait $pid; echo "status $?"',
    ]
    const hasSqlite = (await on.bash('command -v sqlite3')).code === 0
    const { stdout } = await on.bash(script.join('\n'))
    expect(stdout).toMatch(/status 0\n$/)
    expect(existsSync(join(on.folder, 'keyring.sqlite'))).toBe(hasSqlite)
    for (const line of readFileSync(join(on.folder, 'err'), 'utf8').trim().split('\n'))
      expect(() => JSON.parse(line) as unknown).not.toThrow()
  })

  it.skipIf(!existsSync('/usr/bin/systemd-analyze'))('has a unit that systemd understands', async () => {
    const path = join(on.folder, 'edge-keyring.service')
    writeFileSync(path, UNIT.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`))
    expect(await on.bash(`systemd-analyze verify --man=no "${path}" 2>&1`)).toMatchObject({ code: 0, stdout: '' })
  })
})
