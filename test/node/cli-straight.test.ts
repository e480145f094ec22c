/** `vault get` and `exec` with neither a deployment nor a server: straight from the vaults of the settings, with nothing left behind. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import { runCli } from '../support/cli.ts'
import { listen } from '../support/listen.ts'
import { vaultClient } from '../support/vault.ts'

const PASS = '{vault://hashicorp-vault/password/pass1}'
const PRINT = [process.execPath, '-e', 'console.log(JSON.stringify(process.env))']

let vault: Awaited<ReturnType<typeof startDevVault>>
let cwd: string
let role: Record<string, string>
beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'edge-keyring-straight-'))
  vault = await startDevVault({ port: 0, dataFile: null })
  const root = vaultClient(vault.address, 'root')
  const write = (path: string, body: object) => root.request('POST', path, { body })
  await write('secret/data/password', { data: { pass1: 'one', pass2: 'two' } })
  await write('sys/policies/acl/reads', { policy: 'path "secret/data/password" { capabilities = ["read"] }' })
  await write('sys/auth/approle', { type: 'approle' })
  await write('auth/approle/role/reads', { token_policies: ['reads'] })
  const dataOf = ({ body }: { readonly body: unknown }) => (body as { data: Record<string, string> }).data
  const { role_id = '' } = dataOf(await root.request('GET', 'auth/approle/role/reads/role-id'))
  const { secret_id = '' } = dataOf(await write('auth/approle/role/reads/secret-id', {}))
  role = { auth_method: 'approle', approle_role_id: role_id, approle_secret_id: secret_id }
})
afterAll(async () => {
  await vault.close()
  rmSync(cwd, { recursive: true })
})

const ofKong = (fields: Record<string, string> = {}): Record<string, string> =>
  Object.fromEntries(
    Object.entries({ port: String(vault.port), kv: 'v2', token: 'root', ...fields }).map(([name, text]) => [
      `KONG_VAULT_HCV_${name.toUpperCase()}`,
      text,
    ]),
  )
const entity = (fields: object) => ({
  name: 'hcv',
  prefix: 'hashicorp-vault',
  config: { port: vault.port, kv: 'v2', ...fields },
})
const cli = (words: string[], env: Record<string, string>) => runCli(words, { cwd, env })

describe('without a deployment or a server', () => {
  it('a value comes straight from the vault, with its login, and nothing is kept', async () => {
    const { code, stdout, stderr } = await cli(['vault', 'get', PASS], {
      KEYRING_VAULTS: JSON.stringify([entity(role)]),
      KEYRING_DATABASE: join(cwd, 'keyring.sqlite'),
    })
    expect([code, stdout, stderr]).toEqual([0, 'one', 'vaults env, hashicorp-vault, asked from here\n'])
    expect(readdirSync(cwd)).toEqual([])
  })

  it("a program gets what Kong's variables lead to, keeps those, and not our own", async () => {
    const { code, stdout } = await cli(['exec', '--', ...PRINT], {
      ...ofKong(),
      KEYRING_VAULTS: JSON.stringify([entity(role)]),
      KONG_PG_PASSWORD: '{vault://hcv/password/pass1}',
      OTHER: PASS.replace('pass1', 'pass2'),
      OF_ENV: '{vault://env/app-user}',
      APP_USER: 'somebody',
    })
    const env = JSON.parse(stdout) as Record<string, string>
    expect(code).toBe(0)
    expect(env).toMatchObject({ ...ofKong(), KONG_PG_PASSWORD: 'one', OTHER: 'two', OF_ENV: 'somebody' })
    expect(env).not.toHaveProperty('KEYRING_VAULTS')
    expect(readdirSync(cwd)).toEqual([])
  })

  it("Kong's own files name the vaults, and then are asked whatever else there is", async () => {
    const server = await listen(async (_request, response) => void response.writeHead(500).end())
    const deployment = { EDGE_KEYRING_URL: server.url, EDGE_KEYRING_TOKEN: 'ek_of_the_tests' }
    const files = mkdtempSync(join(tmpdir(), 'edge-keyring-straight-'))
    const [deck, conf] = [join(files, 'kong.yaml'), join(files, 'kong.conf')]
    writeFileSync(conf, `vault_hcv_port = ${vault.port}\nvault_hcv_kv = v2\nvault_hcv_token = root\n`)
    const config = `{ port: ${vault.port}, kv: v2, token: '\${{ env "DECK_TOKEN" }}' }`
    writeFileSync(deck, `vaults: [{ name: hcv, prefix: hashicorp-vault, config: ${config} }]\n`)
    try {
      const got = await cli(['vault', 'get', '--deck', deck, PASS], { ...deployment, DECK_TOKEN: 'root' })
      expect([got.code, got.stdout]).toEqual([0, 'one'])
      const ran = await cli(['exec', '--conf', conf, '--', ...PRINT], {
        ...deployment,
        A: '{vault://hcv/password/pass2}',
      })
      expect([ran.code, JSON.parse(ran.stdout)]).toMatchObject([0, { A: 'two' }])
      const asked = await cli(['vault', 'get', 'vault://hcv/password/pass2'], { ...deployment, ...ofKong() })
      expect([asked.code, asked.stdout, asked.stderr]).toEqual([3, '', expect.stringContaining(server.url)])
    } finally {
      await server.close()
      rmSync(files, { recursive: true })
    }
  })

  it.each<[string, string, () => Record<string, string>, number, RegExp]>([
    [
      'there is no such vault',
      '{vault://hcv/a/b}',
      () => ({}),
      1,
      /ERR_REFERENCE_VAULT_UNKNOWN: A: There is no vault "hcv"/,
    ],
    [
      'the vault is not right',
      '{vault://hcv/a/b}',
      () => ofKong({ token: '', kube_rol: 'x' }),
      1,
      /ERR_REFERENCE_VAULT_UNKNOWN: A: The vault "hcv" cannot be used: .*KONG_VAULT_HCV_KUBE_ROL is not a field/,
    ],
    ['the vault has no such secret', '{vault://hcv/none/b}', () => ofKong(), 1, /ERR_SECRET_NOT_FOUND: A: /],
    ['nobody is there', '{vault://hcv/a/b}', () => ofKong({ port: '1' }), 1, /ERR_VAULT_UNREACHABLE: A: /],
    [
      'the login is refused',
      PASS,
      () => ({ KEYRING_VAULTS: JSON.stringify([entity({ ...role, approle_secret_id: 'canary' })]) }),
      1,
      /ERR_VAULT_LOGIN\w+: A: /,
    ],
    [
      'it is a variable of ours',
      '{vault://env/keyring-vaults}',
      () => ({}),
      1,
      /ERR_REFERENCE_INVALID: A: .* reads itself/,
    ],
    ['the list is none', PASS, () => ({ KEYRING_VAULTS: 'canary' }), 2, /KEYRING_VAULTS/],
    [
      'the list is elsewhere, and that is not there',
      PASS,
      () => ({ KEYRING_VAULTS: '{vault://fs/none-such}' }),
      2,
      /KEYRING_VAULTS: has a reference to a file that cannot be read/,
    ],
    ['certificates are not to be verified', PASS, () => ({ VAULT_SKIP_VERIFY: '1' }), 2, /VAULT_SKIP_VERIFY/],
  ])('a program does not begin when %s', async (_name, reference, env, expected, why) => {
    const { code, stdout, stderr } = await cli(['exec', '--', ...PRINT], { ...env(), A: reference })
    expect([code, stdout]).toEqual([expected, ''])
    expect(stderr).toMatch(why)
    expect(stderr).not.toContain('canary')
    expect(readdirSync(cwd)).toEqual([])
  })
})
