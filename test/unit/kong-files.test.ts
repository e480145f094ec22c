/** Kong's own files: what is taken of a kong.conf and of a file of decK's, and that the environment wins. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { withConf, withDeck } from '../../functions/node-shared/kong-files.ts'
import { readEntities } from '../../src/config/entities.ts'
import type { Env } from '../../src/config/setting.ts'

const deck = async (text: string, variables: Env = {}, env: Env = {}) => (await withDeck(text, variables))(env)

async function vaultsIn(text: string, variables: Env = {}): Promise<unknown> {
  const { env, problems } = await deck(text, variables)
  expect(problems).toEqual([])
  return (JSON.parse(env['KEYRING_VAULTS'] ?? '') as { vaults: unknown }).vaults
}

async function problemsOf(text: string, variables: Env = {}, env: Env = {}): Promise<string[]> {
  return (await deck(text, variables, env)).problems.map(({ name, message }) => `${name}: ${message}`)
}

describe('a kong.conf', () => {
  it('is the environment that Kong would have, for the keyring, vaults and trusted authorities', () => {
    const text = [
      '# A comment',
      '',
      'keyring_enabled = on',
      '  keyring_vault_token=a\\#b   # a comment',
      'vault_hcv_host = vault.example',
      'VAULT_ENV_PREFIX = app_',
      'lua_ssl_trusted_certificate = system,/etc/ca.pem',
      'keyring_vault_path = first',
      'keyring_vault_path = last = really\r',
      'keyring_vault_mount =',
    ].join('\n')
    expect(withConf(text)({ OTHER: 'x' })).toEqual({
      env: {
        OTHER: 'x',
        KONG_KEYRING_ENABLED: 'on',
        KONG_KEYRING_VAULT_TOKEN: 'a#b',
        KONG_VAULT_HCV_HOST: 'vault.example',
        KONG_VAULT_ENV_PREFIX: 'app_',
        KONG_LUA_SSL_TRUSTED_CERTIFICATE: 'system,/etc/ca.pem',
        KONG_KEYRING_VAULT_PATH: 'last = really',
        KONG_KEYRING_VAULT_MOUNT: '',
      },
      problems: [],
      notices: [],
    })
  })

  it('says once which names are of a gateway, and nothing of their values', () => {
    const { env, notices } = withConf('pg_password = canary\nproxy_listen = off\npg_password = canary')({})
    expect([env, notices]).toEqual([
      {},
      ['--conf: not used here, because it is for a gateway: pg_password, proxy_listen.'],
    ])
  })

  it('is less than the environment, under either name', () => {
    const own = {
      KONG_VAULT_HCV_HOST: 'own',
      KEYRING_VAULT_HOST: 'https://own.example',
      KONG_KEYRING_VAULT_PATH: 'own',
    }
    const text = 'vault_hcv_host = x\nkeyring_vault_host = x\nkeyring_vault_path = x\nvault_hcv_port = 1'
    expect(withConf(text)(own).env).toEqual({ ...own, KONG_VAULT_HCV_PORT: '1' })
    expect(withConf(text)({ ...own, KONG_VAULT_HCV_HOST: '' }).env).toMatchObject({ KONG_VAULT_HCV_HOST: 'x' })
  })

  it('is refused for a line that says nothing, by its number', () => {
    expect(withConf('a = b\n\ncanary\n')({}).problems).toEqual([
      { name: '--conf', message: 'has a line that is not <name> = <value> (line 3)' },
    ])
  })
})

describe("a file of decK's", () => {
  it('gives its vaults, and of all else only how much there is', async () => {
    const text = `
_format_version: "3.0"
services:
- name: a
  host: canary
vaults:
- name: hcv
  prefix: hashicorp-vault
  config: { host: 127.0.0.1, port: 8200, kv: v2, token: t, ttl: 60, ssl_verify: off, namespace: null }
`
    const { env } = await deck(text)
    expect(env['KEYRING_VAULTS']).not.toContain('canary')
    const config = { host: '127.0.0.1', port: 8200, kv: 'v2', token: 't', ttl: 60, ssl_verify: 'off', namespace: null }
    expect(await vaultsIn(text)).toEqual([{ name: 'hcv', prefix: 'hashicorp-vault', config }])
    const read = readEntities(env, 'node')
    expect(read.notices).toEqual(['KEYRING_VAULTS: what is not in "vaults" is not used here (1).'])
    expect(read.broken.flatMap(({ problems }) => problems.map(({ name }) => name))).toEqual([
      'vaults.hashicorp-vault.config.ssl_verify',
    ])
  })

  it.each([
    ['bare', 'token: ${{ env "DECK_TOKEN" }}'],
    ['in a flow', '{ token: ${{env "DECK_TOKEN"}} }'],
    ['in double quotes', 'token: "${{ env "DECK_TOKEN" }}"'],
    ['in single quotes', "token: '${{ env `DECK_TOKEN` }}'"],
    ['as another type', 'token: ${{ env "DECK_TOKEN" | toInt }}'],
    ['in a block', 'token: |-\n      ${{ env "DECK_TOKEN" | indent 6 }}'],
  ])('has variables filled in as decK does, %s', async (_, config) => {
    const text = `vaults:\n- name: hcv\n  config:\n    ${config}\n`
    expect(await vaultsIn(text, { DECK_TOKEN: 't' })).toEqual([{ name: 'hcv', config: { token: 't' } }])
  })

  it('has whatever is in a variable as one text, which is no YAML and no template', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string({ minLength: 1, unit: 'binary' }),
          fc.constantFrom('"', "'", '\n- name: x', ': ', '#', '${{ env "DECK_B" }}', '$&', '$1', '{}', 'null', '1e3'),
        ),
        async (value) => {
          const text = 'vaults:\n- { token: a-${{ env "DECK_A" }}-${{ env "DECK_B" }} }\n'
          expect(await vaultsIn(text, { DECK_A: value, DECK_B: 'b' })).toEqual([{ token: `a-${value}-b` }])
        },
      ),
    )
  })

  it('needs the variables of its vaults, each told once, and none of what is for a gateway', async () => {
    const text = `
services: [{ host: '\${{ env "DECK_HOST" }}', path: '\${{ index . 1 }}' }]
vaults:
- config: { token: \${{ env "DECK_A" }}, jwt: \${{ env "DECK_A" }}, host: \${{ env "HOME" }}, mount: '\${{ now }}' }
`
    expect(await problemsOf(text, { HOME: '/canary' })).toEqual([
      'DECK_A: is required: the file of --deck takes it',
      '--deck: takes a variable that does not begin with DECK_',
      '--deck: has a template other than ${{ env "DECK_…" }}',
    ])
  })

  it('is one of two places, and never overruled in silence', async () => {
    expect(await problemsOf('vaults: []', {}, { KEYRING_VAULTS: '[]' })).toEqual([
      'KEYRING_VAULTS: is set beside --deck: set one of the two',
    ])
    expect(await deck('services: []')).toEqual({ env: {}, problems: [], notices: ['--deck: the file has no vaults.'] })
  })

  it.each([
    ['vaults: [\n', 2],
    ['a: 1\nb: "canary', 2],
    ['a: 1\na: canary', 2],
    ['a: 1\n---\nvaults: []', 2],
    ['vaults: *canary', 1],
    [`a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [${'*a,'.repeat(60)}]\nvaults: [${'*b,'.repeat(60)}]`, 1],
  ])('is refused without a word of it where it is no YAML: %#', async (text, line) => {
    expect(await problemsOf(text)).toEqual([`--deck: is not YAML that can be read (line ${line})`])
  })
})
