/** `edge-keyring check`: what a deployment would refuse is told before there is one. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Ran } from '../support/cli.ts'
import { runCli } from '../support/cli.ts'

const ROOT = join(import.meta.dirname, '../..')
const CANARY = 'canary-value-of-no-importance'
const VAULT = {
  KEYRING_VAULT_HOST: 'https://vault.example:8200',
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_VAULT_TOKEN: CANARY,
}
const SECRETS = {
  KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
  KEYRING_API_TOKENS: JSON.stringify([{ name: 'admin', sha256: 'ab'.repeat(32), grants: ['admin'] }]),
}
const COMPLETE = { ...VAULT, ...SECRETS }
const LAMBDA = { KEYRING_TABLE: 'keyring', KEYRING_SYNC_FUNCTION: 'edge-keyring-sync' }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const check = (env: Readonly<Record<string, string>>, ...words: string[]): Promise<Ran> =>
  runCli(['check', ...words], { cwd: folder, env })

/** As in a `.env` file. */
function file(settings: object, name = 'worker.env'): string {
  const path = join(folder, name)
  writeFileSync(
    path,
    Object.entries(settings)
      .map(([each, value]) => `${each}='${value}'\n`)
      .join(''),
  )
  return path
}

const template = (http: object, sync: object): string => {
  const aFunction = (name: string, variables: object) => ({
    Type: 'AWS::Lambda::Function',
    Properties: { Handler: `dist/lambda/${name}.handler`, Environment: { Variables: variables } },
  })
  const path = join(folder, 'template.json')
  const Resources = { Table: { Type: 'AWS::DynamoDB::Table' }, H: aFunction('http', http), S: aFunction('sync', sync) }
  writeFileSync(path, JSON.stringify({ Resources }))
  return path
}

describe('edge-keyring check', () => {
  it.each(['node', 'workers', 'lambda'])(
    'tells all problems at once for %s, with exit status 2 and no value',
    async (platform) => {
      const wrong = { ...COMPLETE, KEYRING_VAULT_HOST: CANARY, KEYRING_SYNC_PERIOD: CANARY, KEYRING_VAULT_TOKN: CANARY }
      for (const ran of [
        await check(wrong, '--platform', platform),
        await check({}, '--platform', platform, '--file', file(wrong)),
      ]) {
        expect([ran.code, ran.stdout]).toEqual([2, ''])
        expect(ran.stderr).toMatch(/^ERR_CONFIG_INVALID: /)
        for (const name of ['KEYRING_VAULT_HOST', 'KEYRING_SYNC_PERIOD', 'KEYRING_VAULT_TOKN'])
          expect(ran.stderr.split(`  ${name}: `)).toHaveLength(2)
        expect(ran.stderr).not.toContain(CANARY)
      }
    },
  )

  it('finds a file of settings complete, as text and as JSON, and says so to machines', async () => {
    const json = join(folder, 'secrets.json')
    writeFileSync(json, JSON.stringify(COMPLETE))
    for (const path of [file(COMPLETE), json]) {
      const { code, stdout } = await check({}, '--platform', 'workers', '--file', path, '--json')
      expect([code, JSON.parse(stdout)]).toEqual([0, { platform: 'workers', vaults: [], notices: [], unchecked: [] }])
    }
  })

  it('looks at a file alone, whatever stands in the environment', async () => {
    const { KEYRING_VAULT_TOKEN, ...rest } = COMPLETE
    const { code, stderr } = await check({ KEYRING_VAULT_TOKEN }, '--platform', 'workers', '--file', file(rest))
    expect([code, stderr]).toEqual([2, expect.stringContaining('KEYRING_VAULT_TOKEN: is required')])
  })

  it('tells where wrangler would upload another value than that of the file', async () => {
    const path = file({ ...COMPLETE, KEYRING_VAULT_HEADERS: '{"cf-access-client-secret":"a$HOME"}' })
    const ran = await check({ KEYRING_VAULT_TOKEN: 'of-this-shell' }, '--platform', 'workers', '--file', path)
    expect([ran.code, ran.stderr]).toEqual([
      2,
      expect.stringMatching(
        /:\n {2}KEYRING_VAULT_HEADERS: has a \$.*\n {2}KEYRING_VAULT_TOKEN: has another value in the environment.*\n$/,
      ),
    ])
  })

  it('makes nothing up for Node: a deployment needs all of it, and its files are looked at', async () => {
    const database = join(folder, 'db')
    expect(await check({ ...COMPLETE, KEYRING_DATABASE: database })).toMatchObject({ code: 0 })
    const away = { ...COMPLETE, KEYRING_DATABASE: join(folder, 'none', 'db'), KEYRING_VAULT_CACERT: '/none.pem' }
    const { code, stderr } = await check(away, '--platform', 'node')
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/KEYRING_VAULT_CACERT: [^]*KEYRING_DATABASE: names a file/),
    ])
    expect((await check({}, '--platform', 'node')).code).toBe(2)
  })

  it('asks for no binding, which no file can hold', async () => {
    const { KEYRING_VAULT_TOKEN: _, ...rest } = COMPLETE
    const path = file({ ...rest, KEYRING_VAULT_AUTH_METHOD: 'cert' })
    expect(await check({}, '--platform', 'workers', '--file', path)).toMatchObject({ code: 0 })
  })

  it('gives each function of Lambda what it reads', async () => {
    expect(await check({ ...COMPLETE, ...LAMBDA }, '--platform', 'lambda')).toMatchObject({
      code: 0,
      stdout: 'ok  lambda: nothing is missing or wrong\n',
    })
    const { code, stderr } = await check({ ...COMPLETE, ...LAMBDA, KEYRING_DATABASE: 'db' }, '--platform', 'lambda')
    expect([code, stderr]).toEqual([2, expect.stringMatching(/:\n {2}KEYRING_DATABASE: is not read by .*\n$/)])
  })

  it('counts references of a template as set, and says that they are known later', async () => {
    const KEYRING_WRAPPING_KEYS = '{{resolve:secretsmanager:edge-keyring:SecretString:wrapping_keys}}'
    const table = { KEYRING_TABLE: { Ref: 'Table' }, KEYRING_WRAPPING_KEYS }
    const http = { ...table, KEYRING_SYNC_FUNCTION: { Ref: 'S' }, KEYRING_API_TOKENS: SECRETS.KEYRING_API_TOKENS }
    const login = { ...VAULT, KEYRING_VAULT_AUTH_METHOD: 'aws_iam', KEYRING_VAULT_TOKEN: '' }
    const good = await check({}, '--platform', 'lambda', '--file', template(http, { ...table, ...login }))
    expect(good).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /at the deployment only: KEYRING_TABLE, KEYRING_WRAPPING_KEYS, KEYRING_SYNC_FUNCTION\n$/,
      ),
    })
    const swapped = await check({}, '--platform', 'lambda', '--file', template({ ...http, ...VAULT }, table))
    expect(swapped.code).toBe(2)
    expect(swapped.stderr).toContain("KEYRING_VAULT_HOST: is not read by Lambda's HTTP function")
    expect(swapped.stderr).toContain('KEYRING_VAULT_HOST: is required')
    expect(swapped.stderr).not.toContain('KEYRING_WRAPPING_KEYS')
  })

  it("takes Kong's own files, and says which vaults would be used, which not, and why", async () => {
    const conf = join(folder, 'kong.conf')
    const { KEYRING_VAULT_HOST, KEYRING_VAULT_MOUNT, KEYRING_VAULT_PATH } = VAULT
    writeFileSync(
      conf,
      [
        '# Of a gateway.',
        'proxy_listen = 0.0.0.0:8000',
        `keyring_vault_host = ${KEYRING_VAULT_HOST} # of the keyring`,
        `keyring_vault_mount = ${KEYRING_VAULT_MOUNT}`,
        `keyring_vault_path = ${KEYRING_VAULT_PATH}`,
        `keyring_vault_token = ${CANARY}`,
        'vault_hcv_ttl = 60',
        `vault_hcv_token = ${CANARY}`,
      ].join('\n'),
    )
    const deck = join(folder, 'kong.yaml')
    writeFileSync(
      deck,
      [
        '_format_version: "3.0"',
        'services: [{ name: a }, { name: b }]',
        'vaults:',
        '- { name: hcv, prefix: hashicorp-vault, config: { kv: v2, ttl: 60, token: ${{ env "DECK_TOKEN" }} } }',
        `- { name: gcp, prefix: cloud, config: { project_id: ${CANARY} } }`,
        `- { name: hcv, prefix: typo, config: { namspace: x, token: ${CANARY} } }`,
      ].join('\n'),
    )
    const given = { ...SECRETS, KEYRING_DATABASE: join(folder, 'db'), DECK_TOKEN: CANARY }
    const ran = await check(given, '--conf', conf, '--deck', deck)
    expect([ran.code, ran.stderr]).toEqual([0, ''])
    expect(ran.stdout).toBe(
      [
        'ok  node: nothing is missing or wrong',
        'vaults for references: hcv, hashicorp-vault',
        'not used: vaults.cloud.name: must be one of hcv, aws, env, fs: no other backend is offered here',
        'not used: vaults.typo.config.namspace: is not a field of vaults of the type hcv',
        'note: --conf: not used here, because it is for a gateway: proxy_listen.',
        'note: KEYRING_VAULTS: what is not in "vaults" is not used here (2).',
        '',
      ].join('\n'),
    )
    const machine = await check(given, '--conf', conf, '--deck', deck, '--json')
    expect(JSON.parse(machine.stdout)).toMatchObject({
      vaults: [
        { prefix: 'hcv', problems: [] },
        { prefix: 'hashicorp-vault', problems: [] },
        { prefix: 'cloud', problems: [expect.stringMatching(/^vaults\.cloud\.name: /)] },
        { prefix: 'typo', problems: [expect.stringMatching(/namspace/)] },
      ],
    })
    for (const platform of ['workers', 'lambda']) {
      const env = { ...SECRETS, ...(platform === 'lambda' && LAMBDA), DECK_TOKEN: CANARY }
      const { code, stdout } = await check(env, '--platform', platform, '--conf', conf, '--deck', deck)
      expect([code, stdout]).toEqual([0, expect.stringContaining('vaults for references: hcv, hashicorp-vault\n')])
    }
    expect(await check({ ...given, DECK_TOKEN: '' }, '--conf', conf, '--deck', deck)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('DECK_TOKEN: is required: the file of --deck takes it'),
    })
    const none = await check(given, '--conf', join(folder, 'none'), '--deck', folder)
    expect([none.code, none.stderr]).toEqual([
      2,
      expect.stringMatching(/--conf: names a file that cannot be read \(ENOENT\)\n.*--deck: names a file .*\(EISDIR\)/),
    ])
  })

  it('asks for no secret: where references are read it looks at their form, elsewhere it refuses them', async () => {
    const right = { ...COMPLETE, ...LAMBDA, KEYRING_VAULT_TOKEN: '{vault://aws/edge-keyring/token}' }
    const text = file(right, 'right.env')
    expect(await check({}, '--platform', 'lambda', '--file', text)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('known at the deployment only: KEYRING_VAULT_TOKEN'),
    })
    const wrong = file({ ...right, KEYRING_VAULT_TOKEN: '{vault://aws}' }, 'wrong.env')
    expect(await check({}, '--platform', 'lambda', '--file', wrong)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('KEYRING_VAULT_TOKEN: has a reference that has a missing path (character 13)'),
    })
    const { KEYRING_TABLE: _, KEYRING_SYNC_FUNCTION: __, ...onWorkers } = right
    expect(await check({}, '--platform', 'workers', '--file', file(onWorkers))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('KEYRING_VAULT_TOKEN: has a reference, which nothing resolves here'),
    })
  })

  it('refuses a platform, a file and a template that are none', async () => {
    const other = join(folder, 'other.json')
    writeFileSync(other, JSON.stringify({ Resources: {} }))
    for (const words of [
      ['--platform', 'azure'],
      ['--platform', 'workers', '--file', join(folder, 'none')],
      ['--platform', 'lambda', '--file', other],
      ['--platform', 'lambda', '--file', template({}, {}), '--conf', file({}, 'kong.conf')],
    ])
      expect(await check({}, ...words)).toMatchObject({ code: 2, stderr: expect.stringMatching(/^ERR_USAGE: /) })
  })
})

it('npm run deploy:worker gives wrangler nothing that the Worker would refuse', async () => {
  const { promise, resolve } = Promise.withResolvers<{ code: unknown; said: string }>()
  const { 'deploy:worker': script } = (
    JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  ).scripts
  const wrong = file({ ...COMPLETE, KEYRING_VAULT_HOST: CANARY })
  const line = `${script?.replaceAll('worker.env', wrong)} --env= --dry-run --outdir "${folder}/worker"`
  execFile('bash', ['-c', line], { cwd: ROOT }, (error, stdout, stderr) =>
    resolve({ code: error?.code, said: stdout + stderr }),
  )
  const { code, said } = await promise
  expect(code).toBe(2)
  expect(said).toMatch(/^ERR_CONFIG_INVALID: .*\n {2}KEYRING_VAULT_HOST: .*\n$/)
})
