import { existsSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import type { Local } from '../support/local.ts'
import { CLI, local } from '../support/local.ts'

const ROOT = join(import.meta.dirname, '../..')
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')

describe('npm start', () => {
  let on: Local
  beforeAll(async () => {
    on = await local()
  })
  afterAll(() => on.remove())

  const file = (name: string) => join(on.folder, '.edge-keyring', name)
  const kept = () => ['token', 'wrapping-key'].map((name) => readFileSync(file(name), 'utf8').trim())

  it('shows the screen of the README, and each of its lines works when pasted', async () => {
    const { output, stop } = await on.start()
    const screen = output()
    const usual = screen
      .replaceAll(String(on.port), '8001')
      .replaceAll(String(on.vaultPort), '8200')
      .replace(/\d+ ms/, '9 ms')
    expect(README).toContain(usual.trim())
    for (const secret of kept()) expect(screen).not.toContain(secret)

    const lines = screen
      .split('\n')
      .filter((line) => /^ {2}(H=|curl )/.test(line))
      .map((line) => line.trim())
    const [header = '', sync = '', list = '', rotate = '', seal = '', encrypt = '', unseal = ''] = lines
    expect(lines).toHaveLength(7)
    const paste = async (pasted: string) => (await on.bash([header, pasted].join('\n'))).stdout
    const promised = (line: string) => line.split('# ')[1]
    expect(await paste(sync)).toMatch(new RegExp(`^HTTP/1.1 ${promised(sync)} `))
    expect(await paste(list)).toBe(promised(list))
    for (const version of [2, 3]) {
      expect(await paste(rotate)).toContain(`"version":${version}`)
      expect(await paste(sync)).toMatch(/^HTTP\/1.1 204 /)
      const { ids, active } = JSON.parse(await paste(list)) as { ids: string[]; active: string }
      expect([new Set(ids).size, active]).toEqual([version, ids.at(-1)])
    }
    await paste(seal)
    expect(await paste(sync)).toMatch(/^HTTP\/1.1 503 [^]*"code":"ERR_VAULT_SEALED"/)
    expect(await paste(encrypt)).toMatch(/^\{"ciphertext":"ek1\./)
    await paste(unseal)
    expect(await paste(sync)).toMatch(/^HTTP\/1.1 204 /)
    await stop()
  })

  it('keeps its secrets across restarts, in files of mode 600', async () => {
    const before = kept()
    const { output, stop } = await on.start()
    await stop()
    expect(kept()).toEqual(before)
    expect(output()).toMatch(/default: [0-9a-f]{8} \(active\)/)
    for (const name of ['token', 'wrapping-key', 'dev-vault.json', 'dev-vault.sqlite', 'audit.log'])
      expect([name, statSync(file(name)).mode & 0o777]).toEqual([name, 0o600])
  })

  it('shows what it holds now, not what a first start holds', async () => {
    const { output, stop } = await on.start()
    const [header = '', list = ''] = ['H=', 'curl .*/keyring/ '].map(
      (part) => new RegExp(part + '.*').exec(output())?.[0],
    )
    expect((await on.bash([header, list].join('\n'))).stdout).toBe(list.split('# ')[1])
    expect(list).toMatch(/"ids":\["8zgITLQh","[0-9a-f]{8}","[0-9a-f]{8}"\]/)
    await stop()
  })

  it('begins anew with --fresh', async () => {
    const before = kept()
    const { output, stop } = await on.start({}, '--fresh')
    await stop()
    expect(kept()).not.toEqual(before)
    expect(output()).toContain('default: 8zgITLQh (active)')
  })

  it('shows a sync that fails in its example, and where a database of your own is', async () => {
    const database = join(on.folder, 'own.sqlite')
    const env = { KEYRING_VAULT_HOST: 'http://127.0.0.1:1', KEYRING_VAULT_TOKEN: 'root', KEYRING_DATABASE: database }
    const { output, stop } = await on.start(env)
    await stop()
    expect(output()).toContain(`local default; it keeps ${database} and .edge-keyring/\n`)
    expect(output()).toMatch(/\/sync -H "\$H" +# ERR_VAULT_UNREACHABLE, until that is mended\n.*# \{"ids":\[\]\}\n/)
  })

  it.each(['VAULT_ADDR', 'BAO_ADDR'])('says that %s is not used, and how to use it', async (name) => {
    const real = await local()
    const { stop: stopVault } = await real.start()
    const there = { [name]: `http://127.0.0.1:${real.vaultPort}`, [name.replace('ADDR', 'TOKEN')]: 'root' }
    const { output, stop } = await on.start(there)
    await stop()
    const note =
      output()
        .split('\n')
        .find((line) => line.startsWith('note: ')) ?? ''
    expect(note).toContain(`${name} is not used`)
    const [, host = ''] = /(KEYRING_VAULT_HOST=\S+) npm start/.exec(note) ?? []
    const set = await real.bash(`${name}=${there[name]}; ${host}; printf %s "$KEYRING_VAULT_HOST"`)
    const database = join(on.folder, `${name}.sqlite`)
    const asked = await on.start({ ...there, KEYRING_VAULT_HOST: set.stdout, KEYRING_DATABASE: database })
    expect(asked.output()).toContain('secret/keyring: 1 key, ')
    expect(asked.output()).not.toContain('dev Vault')
    await asked.stop()
    await stopVault()
    real.remove()
  })

  it('uses your own Vault when one is named, and another database', async () => {
    const second = await local()
    const { stop: stopVault } = await second.start()
    const { output, stop } = await on.start({
      KONG_KEYRING_VAULT_HOST: `http://127.0.0.1:${second.vaultPort}`,
      KONG_KEYRING_VAULT_TOKEN: 'root',
    })
    expect(output()).toContain('8zgITLQh (active)')
    expect(output()).not.toContain('dev Vault')
    expect(existsSync(file('keyring.sqlite'))).toBe(true)
    await stop()
    await stopVault()
    second.remove()
  })

  it.each(['port', 'vaultPort'] as const)('says which port is taken, and what to type (%s)', async (which) => {
    const blocker = createServer()
    await new Promise<void>((resolve) => blocker.listen(on[which], '127.0.0.1', resolve))
    const { code, stderr } = await on.refuse({})
    await new Promise((resolve) => blocker.close(resolve))
    expect(code).toBe(1)
    expect(stderr).toMatch(new RegExp(`^ERR_LISTEN_FAILED: Port ${on[which]} is taken\\.\n.*npm start\n$`))
  })

  it('refuses a deployment without settings, and lists all that is missing', async () => {
    for (const settings of [{ NODE_ENV: 'production' }, { HOST: '0.0.0.0' }]) {
      const { code, stderr, stdout } = await on.refuse(settings)
      expect([code, stdout]).toEqual([1, ''])
      for (const name of [
        'KEYRING_VAULT_HOST',
        'KEYRING_VAULT_MOUNT',
        'KEYRING_VAULT_PATH',
        'KEYRING_VAULT_TOKEN',
        'KEYRING_WRAPPING_KEYS',
        'KEYRING_API_TOKENS',
      ])
        expect(stderr).toContain(`"setting":"${name}"`)
    }
  })

  it('suggests the name that was meant, and never shows the value', async () => {
    const { code, stderr } = await on.refuse({ KEYRING_VAULT_TOKN: 'canary-value' })
    expect(code).toBe(1)
    expect(stderr).toContain('KEYRING_VAULT_TOKEN')
    expect(stderr).not.toContain('canary-value')
  })

  it('exits quietly when the keyring is off', async () => {
    const { code, stderr } = await on.refuse({ KEYRING_ENABLED: 'off' })
    expect([code, stderr]).toEqual([0, expect.stringContaining('off')])
  })
})

/** The lines of the README's block that has `text` in it. */
const block = (text: string): string[] =>
  (README.split('```').find((part, index) => index % 2 === 1 && part.includes(text)) ?? '').trim().split('\n')

describe('the README', () => {
  let on: Local
  beforeAll(async () => {
    on = await local()
  })
  afterAll(() => on.remove())
  const npx = (line: string) => line.replaceAll('npx edge-keyring', `"${process.execPath}" "${CLI}"`)

  it('uses the local default in lines that work when pasted', async () => {
    const { stop } = await on.start()
    const [status = '', roundTrip = '', curl = '', ...rest] = block('decrypt --context').map(npx)
    expect(rest).toEqual([])
    expect((await on.bash(status)).stdout).toMatch(/active 8zgITLQh[^]*needed +nothing\n$/)
    expect((await on.bash(roundTrip)).stdout).toBe('hello')
    const header = 'H="Kong-Admin-Token: $(cat .edge-keyring/token)"'
    expect((await on.bash(`${header}\n${curl.replace('8001', String(on.port))}`)).stdout).toMatch(
      /^\{"ciphertext":"ek1\.8zgITLQh\./,
    )
    await stop()
  })

  it('has a first reference resolved, as the page of references goes on', async () => {
    const [start = '', get = '', ...rest] = block('KONG_VAULT_HCV_KV')
    expect([start, ...rest]).toEqual([expect.stringMatching(/ npm start$/)])
    const given = parseEnv(start.replaceAll(' ', '\n').replace('8200', String(on.vaultPort)))
    const { stop } = await on.start(given as Record<string, string>)
    expect((await on.bash(npx(get))).stdout).toBe('8zgITLQh')
    const page = readFileSync(join(ROOT, 'docs/references.md'), 'utf8').split('```')[1] ?? ''
    expect((await on.bash(npx(page).replace('8001', String(on.port)))).stdout).toMatch(
      /^8zgITLQh\{"secrets":\[\{"reference":"\{vault:\/\/hcv\/keyring\/id\}","value":"8zgITLQh"\}\]\}[\w+/=]{32,}\n$/,
    )
    await stop()
  })

  it('makes a file of settings that a Worker accepts and wrangler takes', async () => {
    const lines = block('worker.env').map(npx)
    const made = lines.slice(0, lines.indexOf('END') + 1).join('\n')
    const { code, stderr } = await on.bash(made.replace('KEYRING_VAULT_TOKEN=…', 'KEYRING_VAULT_TOKEN=root'))
    expect([code, stderr]).toEqual([0, expect.stringMatching(/API token, shown this once: ek_\S{49}\n$/)])
    const path = join(on.folder, 'worker.env')
    expect(readFileSync(path, 'utf8')).not.toContain('ek_')
    expect(parseConfig(parseEnv(readFileSync(path, 'utf8')), 'workers')).toMatchObject({ ok: true, notices: [] })
    const script = /"deploy:worker": "(.*)"/.exec(readFileSync(join(ROOT, 'package.json'), 'utf8'))?.[1] ?? ''
    expect(lines.at(-1)).toMatch(/^npm run deploy:worker /)
    const deploy = script.replaceAll('worker.env', `"${path}"`)
    const dry = `cd "${ROOT}" && export WRANGLER_SEND_METRICS=false && ${deploy} --dry-run --outdir "${on.folder}/worker"`
    expect(await on.bash(dry)).toMatchObject({ code: 0, stdout: expect.stringContaining('KEYRING_API_TOKENS') })
  })

  it('shows several keyrings in a setting that is accepted', () => {
    const settings = parseEnv(block('KEYRINGS=').join('\n'))
    const vault = {
      KEYRING_VAULT_HOST: 'https://vault.example',
      KEYRING_VAULT_MOUNT: 'secret',
      KEYRING_VAULT_PATH: 'keyring',
      KEYRING_VAULT_TOKEN: 'root',
      KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32).toString('base64')}`,
      KEYRING_API_TOKEN: 'of-no-importance',
    }
    expect(parseConfig({ ...vault, ...settings }, 'node')).toMatchObject({
      ok: true,
      config: { keyrings: ['default', 'orders', 'invoices'] },
    })
  })
})

describe('the command line', () => {
  let on: Local
  let stop: () => Promise<void>
  beforeAll(async () => {
    on = await local()
    ;({ stop } = await on.start())
  })
  afterAll(async () => {
    await stop()
    on.remove()
  })

  it('talks to the server that runs here, and says which', async () => {
    const { code, stdout, stderr } = await on.cli('sync')
    expect([code, stdout]).toEqual([0, 'ok  nothing new, 1 request to Vault\n'])
    expect(stderr).toBe(
      `local server http://127.0.0.1:${on.port}, store .edge-keyring/dev-vault.sqlite (EDGE_KEYRING_URL is not set)\n`,
    )
    expect(JSON.parse((await on.cli('sync', '--json')).stdout)).toEqual({
      changed: false,
      remaining: 0,
      requests: 1,
      notes: [],
    })
  })

  it('lists keys and shows the status, for people and for machines', async () => {
    expect((await on.cli('keys')).stdout).toMatch(/^ID .*\n8zgITLQh +active +present +1 /)
    expect(JSON.parse((await on.cli('keys', '--json')).stdout)).toMatchObject([{ id: '8zgITLQh', state: 'active' }])
    expect((await on.cli('status')).stdout).toMatch(/keyring +default: 1 key, active 8zgITLQh\n[^]*needed +nothing\n$/)
    expect(JSON.parse((await on.cli('status', '--json')).stdout)).toMatchObject({ keyring: 'default', needed: [] })
  })

  it('makes secrets that the settings accept', async () => {
    const {
      wrapping_key: wrappingKey,
      api_token: token,
      sha256,
    } = JSON.parse((await on.cli('secrets', 'new', '--json')).stdout) as Record<string, string>
    expect(token).toMatch(/^ek_[\w-]{49}$/)
    const tokens = JSON.stringify([{ name: 'admin', sha256, grants: ['admin'] }])
    const { stderr } = await on.refuse({
      NODE_ENV: 'production',
      KEYRING_WRAPPING_KEYS: wrappingKey ?? '',
      KEYRING_API_TOKENS: tokens,
    })
    expect(stderr).not.toMatch(/WRAPPING|API_TOKEN/)
  })

  it('makes wrapping keys whose ids differ, also on one day', async () => {
    const made = await Promise.all([1, 2].map(async () => (await on.cli('secrets', 'new')).stdout))
    const ids = made.map((text) => /^KEYRING_WRAPPING_KEYS=(\d{4}-\d\d-\d\d-[\da-f]{8}):/.exec(text)?.[1])
    expect(ids).not.toContain(undefined)
    expect(ids[0]).not.toBe(ids[1])
  })

  it('gives its version, and exit status 1 with a code and a remedy when Vault cannot be used', async () => {
    expect((await on.cli('--version')).stdout.trim()).toBe('0.1.0')
    await on.bash(`curl -s -X PUT localhost:${on.vaultPort}/v1/sys/seal -H "X-Vault-Token: root"`)
    const { code, stderr } = await on.cli('sync')
    expect([code, stderr]).toEqual([1, expect.stringMatching(/ERR_VAULT_SEALED: .*\n.*Unseal/)])
    expect(JSON.parse((await on.cli('sync', '--json')).stdout)).toMatchObject({
      code: 'ERR_VAULT_SEALED',
      remedy: expect.any(String),
    })
  })
})
