/** A start that cannot be: a code, a sentence and a remedy, whatever is in its way, and never a stack. */
import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { Local } from '../support/local.ts'
import { local } from '../support/local.ts'
import type { SmallDisk } from '../support/small-disk.ts'
import { smallDisk } from '../support/small-disk.ts'
import { keyString } from '../support/syncing.ts'
import { vaultClient } from '../support/vault.ts'

const SERVER = join(import.meta.dirname, '../../functions/node/server.ts')
const NOBODY = 65_534
const CANARY = 'canary-value-of-no-importance-0123456789'
const ELSEWHERE = {
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_VAULT_TOKEN: CANARY,
  KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
  KEYRING_API_TOKEN: CANARY,
}
const PRODUCTION = { ...ELSEWHERE, NODE_ENV: 'production', KEYRING_VAULT_HOST: 'http://127.0.0.1:1', PORT: '0' }

let on: Local
beforeEach(async () => {
  on = await local()
})
afterEach(() => on.remove())

/** Both ways of telling the same: lines for people, JSON in production. */
async function refused(settings: Readonly<Record<string, string>>, ...flags: string[]): Promise<string[]> {
  const { code, stderr } = await on.refuse(settings, ...flags)
  expect(code).toBe(1)
  expect(stderr).not.toContain(CANARY)
  return stderr.trimEnd().split('\n')
}

const parsed = (lines: readonly string[]) => lines.map((line) => JSON.parse(line) as Record<string, unknown>)

async function taken(): Promise<{ port: number; free: () => void }> {
  const blocker = createServer()
  await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve))
  return { port: (blocker.address() as AddressInfo).port, free: () => blocker.close() }
}

describe('a start', () => {
  it('with --fresh and a wrong setting, or a port that is taken, forgets nothing', async () => {
    const { stop } = await on.start()
    await stop()
    const kept = () => readdirSync(join(on.folder, '.edge-keyring')).map((name) => [name, read(name)])
    const read = (name: string) => readFileSync(join(on.folder, '.edge-keyring', name), 'base64')
    const before = kept()
    expect(before.map(([name]) => name)).toEqual(expect.arrayContaining(['token', 'wrapping-key', 'dev-vault.sqlite']))
    expect((await refused({ PORT: 'abc' }, '--fresh'))[0]).toMatch(/^ERR_CONFIG_INVALID: .* PORT\.$/)
    expect(kept()).toEqual(before)
    const { port, free } = await taken()
    for (const name of ['PORT', 'KEYRING_DEV_VAULT_PORT']) {
      expect((await refused({ [name]: String(port) }, '--fresh'))[0]).toBe(`ERR_LISTEN_FAILED: Port ${port} is taken.`)
      expect(kept()).toEqual(before)
    }
    free()
  })

  it('with --fresh does not forget the only key of a database that lies elsewhere', async () => {
    const database = join(on.folder, 'elsewhere.sqlite')
    writeFileSync(database, '')
    const lines = await refused({ KEYRING_DATABASE: database }, '--fresh')
    expect(lines[0]).toBe(
      `ERR_USAGE: --fresh would forget the wrapping key, without which ${database} cannot be opened.`,
    )
    expect(lines).toHaveLength(2)
  })

  it('goes on when nobody reads its screen any more', async () => {
    const ready = `curl -sf --retry 40 --retry-connrefused --retry-delay 1 http://127.0.0.1:${on.port}/readyz`
    const server = `${process.execPath} ${SERVER} > >(head -n 1) 2>&1 & server=$!`
    const { stdout } = await on.bash(`${server}; ${ready}; kill -TERM $server; wait $server; echo " status $?"`)
    expect(stdout).toMatch(/\{"status":"ready"\} status 0\n$/)
  })
})

describe('a start that cannot listen', () => {
  it.each([
    ['an address of another machine', '192.0.2.1', /HOST names: it is no address of this machine \(EADDRNOTAVAIL\)/],
    ['a name that nobody has', 'no-such-name.invalid', /HOST names: the name has no address here \(E\w+\)/],
  ])('on %s says so in one line of JSON', async (_, HOST, sentence) => {
    const lines = parsed(await refused({ ...PRODUCTION, HOST, KEYRING_DATABASE: join(on.folder, 'db') }))
    expect(lines).toMatchObject([
      {
        level: 'error',
        code: 'ERR_LISTEN_FAILED',
        message: expect.stringMatching(sentence),
        remedy: expect.stringContaining('Set HOST to'),
      },
    ])
  })

  it('on a loopback address that is not there says so in two lines', async () => {
    const [said, remedy, ...rest] = await refused({ HOST: 'localhost', PORT: '70000' })
    expect([said, rest]).toEqual([expect.stringMatching(/^ERR_CONFIG_INVALID: /), [expect.any(String)]])
    expect(remedy).toMatch(/^ {2}PORT: /)
  })

  it('on a port that is taken says so, in production as JSON', async () => {
    const { port, free } = await taken()
    expect(await refused({ PORT: String(port) })).toEqual([
      `ERR_LISTEN_FAILED: Port ${port} is taken.`,
      expect.stringMatching(/^Use another: PORT=\d+ npm start$/),
    ])
    const settings = { ...PRODUCTION, PORT: String(port), KEYRING_DATABASE: join(on.folder, 'db') }
    expect(parsed(await refused(settings))).toMatchObject([
      {
        level: 'error',
        process: 'ended',
        code: 'ERR_LISTEN_FAILED',
        message: `Port ${port} is taken.`,
        remedy: expect.any(String),
      },
    ])
    free()
  })

  it('on a port that it may not have says so', async () => {
    chmodSync(on.folder, 0o777)
    expect(await asNobody({ PORT: '80' })).toEqual([
      'ERR_LISTEN_FAILED: This user may not listen on port 80.',
      expect.stringMatching(/^Use a port from 1024 on/),
    ])
  })
})

/** A user that may write nowhere but in the folder of the test, if there. */
async function asNobody(settings: Readonly<Record<string, string>>): Promise<string[]> {
  const child = spawn(process.execPath, [SERVER], {
    cwd: on.folder,
    env: { PATH: process.env['PATH'] ?? '', KEYRING_DEV_VAULT_PORT: String(on.vaultPort), ...settings },
    uid: NOBODY,
    gid: NOBODY,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const said: string[] = []
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect(code).toBe(1)
  return said.join('').trimEnd().split('\n')
}

describe('a start that lacks settings', () => {
  it('lists all of them at once, the database too', async () => {
    const names = [
      'KEYRING_VAULT_HOST',
      'KEYRING_VAULT_MOUNT',
      'KEYRING_VAULT_PATH',
      'KEYRING_VAULT_TOKEN',
      'KEYRING_WRAPPING_KEYS',
      'KEYRING_API_TOKENS',
      'KEYRING_DATABASE',
    ]
    const lines = parsed(await refused({ NODE_ENV: 'production' }))
    expect(new Set(lines.slice(0, -1).map(({ setting }) => setting))).toEqual(new Set(names))
    expect(lines.at(-1)).toMatchObject({ level: 'error', process: 'ended', code: 'ERR_CONFIG_INVALID' })
    const [, named = ''] = /^These settings are missing or wrong: (.*)\.$/.exec(String(lines.at(-1)?.['message'])) ?? []
    expect(new Set(named.split(', '))).toEqual(new Set(names))
  })

  it('names the database whose folder is missing, with all else that is wrong', async () => {
    const away = { KEYRING_DATABASE: join(on.folder, CANARY, 'db') }
    const lines = parsed(await refused({ ...PRODUCTION, ...away, KEYRING_VAULT_MOUNT: '..' }))
    expect(lines.slice(0, -1)).toMatchObject([
      { setting: 'KEYRING_VAULT_MOUNT' },
      { setting: 'KEYRING_DATABASE', problem: expect.stringContaining('in a folder that does not exist') },
    ])
    expect(await refused(away)).toEqual([
      'ERR_CONFIG_INVALID: These settings are missing or wrong: KEYRING_DATABASE.',
      expect.stringMatching(/^ {2}KEYRING_DATABASE: names a file in a folder that does not exist/),
      'docs/settings.md lists them all.',
    ])
  })

  it('misses no database when the keyring is off', async () => {
    const { code, stderr } = await on.refuse({ NODE_ENV: 'production', KEYRING_ENABLED: 'off' })
    expect([code, stderr]).toEqual([0, expect.stringContaining('off')])
  })
})

describe('a start whose files are in its way', () => {
  it.each([
    ['a dev Vault whose data is not its own', 'dev-vault.json', 'ERR_STORE_UNAVAILABLE'],
    ['a lock that is not one', 'server.lock', 'ERR_STORE_UNAVAILABLE'],
  ])('%s', async (_, name, code) => {
    mkdirSync(join(on.folder, '.edge-keyring'))
    writeFileSync(join(on.folder, '.edge-keyring', name), `${CANARY} is no such thing\n`.repeat(50))
    const { stderr } = await on.refuse({})
    expect(stderr.trimEnd().split('\n')).toEqual([expect.stringMatching(`^${code}: .*${name} `), expect.any(String)])
    expect(stderr).not.toContain(CANARY)
  })

  it('a folder that belongs to somebody else', async () => {
    mkdirSync(join(on.folder, '.edge-keyring'), { mode: 0o700 })
    chmodSync(on.folder, 0o755)
    expect(await asNobody({ PORT: '0' })).toEqual([
      expect.stringMatching(
        /^ERR_FOLDER_UNUSABLE: \.edge-keyring\/\S+ cannot be made or written: this user may not \(EACCES\)\.$/,
      ),
      expect.stringMatching(/^Mend that; or set /),
    ])
  })

  it('anything else is a defect, and no stack', async () => {
    mkdirSync(join(on.folder, '.edge-keyring'))
    writeFileSync(
      join(on.folder, 'break.cjs'),
      `require('node:fs').statSync = () => { throw new TypeError('${CANARY}') }`,
    )
    const { code, stderr } = await on.refuse({ NODE_OPTIONS: `--require ${join(on.folder, 'break.cjs')}` })
    expect([code, stderr.trimEnd().split('\n')]).toEqual([
      1,
      [
        expect.stringMatching(/^ERR_INTERNAL: The server ended by a defect \(TypeError, at .*\)\.$/),
        expect.any(String),
      ],
    ])
    expect(stderr).not.toContain(CANARY)
  })

  it('a flag that nobody knows', async () => {
    expect(await refused({}, `--${CANARY}`)).toEqual([
      'ERR_USAGE: The server takes no other flags than --fresh, --conf and --deck.',
      expect.any(String),
    ])
    expect(readdirSync(on.folder)).toEqual([])
  })
})

describe('a working folder that cannot be written', () => {
  it('is not asked for where everything is set elsewhere', async () => {
    const vault = await startDevVault({ port: 0, dataFile: null })
    const elsewhere = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', on.folder])
    try {
      const settings = { ...ELSEWHERE, KEYRING_VAULT_HOST: vault.address, KEYRING_DATABASE: join(elsewhere, 'db') }
      const { output, stop } = await on.start(settings)
      expect(output()).toMatch(
        /^ {2}no {2}folder {6}ERR_FOLDER_UNUSABLE: \.edge-keyring cannot .*read-only \(EROFS\)\.\n {18}Mend that/m,
      )
      expect(existsSync(settings.KEYRING_DATABASE)).toBe(true)
      const api = { headers: { authorization: `Bearer ${CANARY}` } }
      expect((await fetch(`http://127.0.0.1:${on.port}/nowhere`, api)).status).toBe(404)
      await stop()
      expect(output()).toContain('"action":"GET"')
      expect(await refused({ ...settings, KEYRING_DATABASE: '' })).toEqual([
        expect.stringMatching(/^ERR_FOLDER_UNUSABLE: \.edge-keyring cannot/),
        expect.stringMatching(/^Mend that; or set .*KEYRING_DATABASE/),
      ])
    } finally {
      execFileSync('umount', ['-l', on.folder])
      rmSync(elsewhere, { recursive: true })
      await vault.close()
    }
  })
})

describe('a start on a disk that takes nothing', () => {
  let disk: SmallDisk
  let there: Local
  beforeEach(async () => {
    disk = smallDisk()
    there = await local(disk.folder)
  })
  afterEach(() => {
    there.remove()
    disk.remove()
  })

  const file = (name: string) => join(there.folder, '.edge-keyring', name)
  const call = (path: string, body: object) =>
    fetch(`http://127.0.0.1:${there.port}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${readFileSync(file('token'), 'utf8').trim()}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify(body),
    })
  /** Stopped, with two keys, so that one may be removed. */
  async function used(): Promise<void> {
    const { stop } = await there.start()
    const key = keyString('second01')
    await vaultClient(`http://127.0.0.1:${there.vaultPort}`, 'root').write('keyring', { id: 'second01', key })
    expect((await call('/keyring/vault/sync', {})).status).toBe(204)
    await stop()
  }

  async function servesWhatItHas(): Promise<void> {
    const encrypted = await call('/keyrings/default/encrypt', { plaintext: 'x' })
    const { ciphertext } = (await encrypted.json()) as { ciphertext: string }
    expect(await (await call('/keyrings/default/decrypt', { ciphertext })).json()).toMatchObject({ plaintext: 'x' })
    expect((await call('/keyring/remove', { id: '8zgITLQh', force: true })).status).toBe(503)
  }

  it('full: serves what it has, and says that the command line does not find it', async () => {
    await used()
    disk.fill()
    const { output, stop } = await there.start()
    expect(output()).toMatch(
      /^ {2}no {2}folder {6}ERR_FOLDER_UNUSABLE: \.edge-keyring\/server\.json cannot .*: its disk is full \(ENOSPC\)\.$/m,
    )
    expect(output()).toMatch(/"part":"store","code":"ERR_STORE_UNAVAILABLE"/)
    await servesWhatItHas()
    expect((await there.cli('keys')).stderr).toMatch(/^ERR_SERVER_UNKNOWN: /)
    expect((await there.refuse({})).stderr).toMatch(/^ERR_ALREADY_RUNNING: /)
    await stop()
    disk.free()
    const again = await there.start()
    expect(again.output()).not.toContain('ERR_')
    expect(await there.cli('keys')).toMatchObject({ code: 0 })
    await again.stop()
  })

  it('read-only: serves what it has, and audits to standard output', async () => {
    await used()
    disk.setReadOnly()
    const { output, stop } = await there.start()
    expect(output()).toMatch(
      /^ {2}no {2}folder {6}ERR_FOLDER_UNUSABLE: \.edge-keyring\/server\.lock cannot .*: its disk is read-only \(EROFS\)\.$/m,
    )
    await servesWhatItHas()
    await stop()
    expect(output()).toMatch(/^\{.*"action":"remove".*"code":"ERR_STORE_UNAVAILABLE"/m)
    expect((await there.refuse({}, '--fresh')).stderr).toMatch(/^ERR_FOLDER_UNUSABLE: .*\nMend that/)
  })

  it('full from the beginning: nothing is made by halves, and the next start makes it', async () => {
    mkdirSync(join(there.folder, '.edge-keyring'))
    disk.fill()
    expect((await there.refuse({})).stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^ERR_FOLDER_UNUSABLE: \.edge-keyring\/\S+ cannot .*: its disk is full \(ENOSPC\)\.$/),
      expect.stringMatching(/^Mend that; or set /),
    ])
    expect(readdirSync(file('.')).filter((name) => name !== 'server.lock')).toEqual([])
    disk.free()
    const { output, stop } = await there.start()
    expect(output()).toContain('8zgITLQh (active)')
    await stop()
  })
})
