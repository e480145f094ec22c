/** The settings of how Vault is reached, and the files that they name. Certificates are test material. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { settingsOf } from '../../functions/cloudflare/bindings.ts'
import { readSettings } from '../../functions/node-shared/settings.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Runtime } from '../../src/config/setting.ts'
import type { Authority, Pair } from '../support/certificates.ts'
import { authority } from '../support/certificates.ts'

const BASE = {
  KEYRING_VAULT_HOST: 'https://vault.example:8200',
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_VAULT_TOKEN: 'hvs.x',
  KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
  KEYRING_API_TOKENS: JSON.stringify([{ name: 'ci', sha256: 'ab'.repeat(32), grants: ['read'] }]),
}
const ON_NODE = { ...BASE, KEYRING_DATABASE: 'keyring.sqlite' }
type Env = Record<string, string>

const sentences = (parsed: ReturnType<typeof parseConfig>): string[] =>
  parsed.ok ? [] : parsed.problems.map(({ name, message }) => `${name}: ${message}`)
const refusals = (more: Env, runtime: Runtime = 'node') => sentences(parseConfig({ ...BASE, ...more }, runtime))
const vaultOf = (more: Env, runtime: Runtime = 'node') => {
  const parsed = parseConfig({ ...BASE, ...more }, runtime)
  if (!parsed.ok || !parsed.config?.vault) throw new Error(inspect(parsed))
  return parsed.config.vault
}

describe('certificates', () => {
  let folder: string
  let root: Authority
  let client: Pair
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'edge-keyring-reach-'))
    root = await authority('Authority')
    client = await root.issue('edge')
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const read = (more: Env) => readSettings({ ...ON_NODE, ...more }, 'node')
  const pair = ({ cert, key }: Pair) => ({ KEYRING_VAULT_CLIENT_CERT: cert, KEYRING_VAULT_CLIENT_KEY: key })

  it('are accepted as texts and as files', () => {
    const files = {
      KEYRING_VAULT_CLIENT_CERT: write('c.pem', client.cert),
      KEYRING_VAULT_CLIENT_KEY: write('c.key', client.key),
    }
    for (const more of [pair(client), files, { KEYRING_VAULT_CACERT: `${write('ca.pem', root.cert)}, system` }])
      expect(read(more)).toMatchObject({ ok: true, notices: [] })
  })

  it('that cannot be used are listed at once, under the names that were set, with everything else that is wrong', () => {
    const list = sentences(
      read({
        PORT: 'x',
        VAULT_CACERT: `${join(folder, 'none.pem')},${write('text.pem', 'no certificate')}`,
        KEYRING_VAULT_CLIENT_CERT: write(
          'broken.pem',
          '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
        ),
        VAULT_CLIENT_KEY: client.cert,
      }),
    )
    expect(list).toEqual([
      'PORT: must be a whole number from 0 to 65535',
      'VAULT_CACERT: names a file that cannot be read (ENOENT)',
      'VAULT_CACERT: has no certificate in PEM, or one that cannot be read',
      'KEYRING_VAULT_CLIENT_CERT: has no certificate in PEM, or one that cannot be read',
      'VAULT_CLIENT_KEY: has no private key in PEM',
    ])
    expect(list.join()).not.toContain(folder)
  })

  it('need the key that belongs to them', async () => {
    const { key } = await root.issue('another')
    expect(sentences(read(pair({ cert: client.cert, key })))).toEqual([
      'KEYRING_VAULT_CLIENT_KEY: does not belong to a certificate of KEYRING_VAULT_CLIENT_CERT',
    ])
    for (const name of ['KEYRING_VAULT_CLIENT_CERT', 'KEYRING_VAULT_CLIENT_KEY'])
      expect(refusals({ [name]: client.cert })).toEqual([
        'KEYRING_VAULT_CLIENT_CERT: must be set together with KEYRING_VAULT_CLIENT_KEY: a certificate and its key',
      ])
  })

  it('that have expired or begin later give a warning', async () => {
    const [old, early] = [await root.issue('old', { from: -3, to: -2 }), await root.issue('early', { from: 2, to: 3 })]
    const parsed = read({ ...pair(old), KEYRING_VAULT_CACERT: early.cert })
    expect(parsed).toMatchObject({
      ok: true,
      notices: [
        expect.stringMatching(/^KEYRING_VAULT_CACERT has a certificate that is valid from \d{4}-\d\d-\d\d\.$/),
        expect.stringMatching(/^KEYRING_VAULT_CLIENT_CERT has a certificate that expired on \d{4}-\d\d-\d\d\.$/),
      ],
    })
  })

  it('leave no key in what is printed of the settings', () => {
    const parsed = read(pair(client))
    for (const shown of [inspect(parsed, { depth: 9 }), JSON.stringify(parsed)])
      expect(shown).not.toContain('PRIVATE KEY')
  })

  it('are not read where nobody asks Vault', () => {
    const env = {
      ...BASE,
      KEYRING_TABLE: 'keyring',
      KEYRING_SYNC_FUNCTION: 'sync',
      VAULT_CACERT: join(folder, 'none.pem'),
    }
    const own = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('KEYRING_VAULT_')))
    expect(readSettings(own, 'lambda-http')).toMatchObject({ ok: true })
  })
})

describe('the certificate of the login cert', () => {
  const CERT = { KEYRING_VAULT_TOKEN: '', KEYRING_VAULT_AUTH_METHOD: 'cert' }

  it('is presented by the connection, whichever setting has it', () => {
    const [cert, key] = ['/run/client.pem', '/run/client.key']
    for (const names of ['CERT_AUTH_CERT CERT_AUTH_CERT_KEY', 'CLIENT_CERT CLIENT_KEY'].map((each) =>
      each.split(' '),
    )) {
      const [certName = '', keyName = ''] = names.map((name) => `KEYRING_VAULT_${name}`)
      const { auth, tls } = vaultOf({ ...CERT, [certName]: cert, [keyName]: key })
      expect([auth.method, tls.client?.cert.reveal(), tls.client?.key.reveal()]).toEqual(['cert', cert, key])
    }
  })

  it('is named as it was set when it is that of the connection', () => {
    const files = { VAULT_CLIENT_CERT: '/none.pem', KEYRING_VAULT_CLIENT_KEY: '/none.key' }
    expect(sentences(readSettings({ ...ON_NODE, ...CERT, ...files }, 'node'))).toEqual([
      expect.stringMatching(/^VAULT_CLIENT_CERT: names a file that cannot be read/),
      expect.stringMatching(/^KEYRING_VAULT_CLIENT_KEY: names a file that cannot be read/),
    ])
  })

  it('is required, and a file that is not there is named as it was set', () => {
    expect(refusals(CERT)).toEqual([
      expect.stringMatching(/^KEYRING_VAULT_CERT_AUTH_CERT: is required/),
      expect.stringMatching(/^KEYRING_VAULT_CERT_AUTH_CERT_KEY: is required/),
    ])
    const none = { KEYRING_VAULT_CERT_AUTH_CERT: '/none.pem', KEYRING_VAULT_CERT_AUTH_CERT_KEY: '/none.key' }
    expect(sentences(readSettings({ ...ON_NODE, ...CERT, ...none }, 'node'))).toEqual([
      expect.stringMatching(/^KEYRING_VAULT_CERT_AUTH_CERT: names a file that cannot be read/),
      expect.stringMatching(/^KEYRING_VAULT_CERT_AUTH_CERT_KEY: names a file that cannot be read/),
    ])
  })

  it('is bound on Workers, and not together with a VPC', () => {
    const refused = (more: Record<string, string>) => {
      const parsed = parseConfig({ ...BASE, ...CERT, KEYRING_API_TOKEN: '', ...more }, 'workers')
      return parsed.ok ? [] : parsed.problems.map(({ name }) => name)
    }
    expect(refused({})).toContain('KEYRING_VAULT_MTLS')
    expect(refused({ KEYRING_VAULT_VPC: '[binding]' })).toContain('KEYRING_VAULT_VPC')
    expect(refused({ KEYRING_VAULT_MTLS: '[binding]' })).not.toContain('KEYRING_VAULT_MTLS')
  })
})

describe('verification', () => {
  it.each([
    ['VAULT_SKIP_VERIFY', 'true'],
    ['BAO_SKIP_VERIFY', '1'],
    ['NODE_TLS_REJECT_UNAUTHORIZED', '0'],
  ])('is never skipped: %s=%s is refused, with what to do', (name, value) => {
    expect(refusals({ [name]: value })).toEqual([
      expect.stringMatching(new RegExp(`^${name}: .*never done.*KEYRING_VAULT_CACERT`)),
    ])
  })

  it('may be asked for', () => {
    const asked = { VAULT_SKIP_VERIFY: 'false', NODE_TLS_REJECT_UNAUTHORIZED: '1' }
    expect(refusals(asked)).toEqual([])
  })
})

describe('headers', () => {
  const refused = (text: string) => refusals({ KEYRING_VAULT_HEADERS: text })

  it('are taken as an object, and print as secrets', () => {
    const { headers } = vaultOf({ KEYRING_VAULT_HEADERS: '{"CF-Access-Client-Id":"some.access","X-Team":"a b"}' })
    expect(Object.entries(headers).map(([name, value]) => [name, value.reveal()])).toEqual([
      ['CF-Access-Client-Id', 'some.access'],
      ['X-Team', 'a b'],
    ])
    expect(JSON.stringify(headers) + inspect(headers)).not.toContain('some.access')
  })

  it.each(['X-Vault-Token', 'x-vault-namespace', 'Cache-Control', 'Host', 'Content-Type', 'Connection', 'a b', ''])(
    'cannot be %j',
    (name) => {
      expect(refused(JSON.stringify({ [name]: 'x' }))).toEqual([
        'KEYRING_VAULT_HEADERS: must not have a header that Vault, the connection or the body has already, or a name that is none',
      ])
    },
  )

  it.each(['', ' x', 'x\n', 'ä', '\u0000'])('cannot have the value %j', (value) => {
    expect(refused(JSON.stringify({ 'X-A': value }))).toEqual([
      'KEYRING_VAULT_HEADERS: must have values of printable ASCII',
    ])
  })

  it.each(['x', '[]', '1', '{"X-A":1}', 'null'])('cannot be %s', (text) => {
    expect(refused(text)).toEqual(['KEYRING_VAULT_HEADERS: must be a JSON object of header names and texts'])
  })
})

describe('on Workers', () => {
  const binding = { fetch: () => new Response() }
  const bound = (...names: string[]) =>
    settingsOf({ ...BASE, ...Object.fromEntries(names.map((name) => [name, binding])) })

  it.each([
    ['KEYRING_VAULT_CACERT', /public authorities only.*KEYRING_VAULT_VPC.*KEYRING_VAULT_HEADERS/],
    ['KONG_LUA_SSL_TRUSTED_CERTIFICATE', /public authorities only/],
    ['VAULT_CLIENT_CERT', /mtls-certificate upload.*KEYRING_VAULT_MTLS/],
    ['KEYRING_VAULT_CLIENT_KEY', /KEYRING_VAULT_MTLS/],
    ['VAULT_TLS_SERVER_NAME', /KEYRING_VAULT_HOST/],
  ])('%s is refused with the way out', (name, wayOut) => {
    expect(refusals({ [name]: '/ca.pem' }, 'workers')).toEqual([
      expect.stringMatching(new RegExp(`^${name}: is not read by workers.*${wayOut.source}`)),
    ])
  })

  it('a binding may carry Vault: for a client certificate, or for a private network, but not both', () => {
    for (const name of ['KEYRING_VAULT_MTLS', 'KEYRING_VAULT_VPC'])
      expect(parseConfig(bound(name), 'workers')).toMatchObject({ ok: true })
    expect(sentences(parseConfig(bound('KEYRING_VAULT_MTLS', 'KEYRING_VAULT_VPC'), 'workers'))).toEqual([
      expect.stringMatching(/^KEYRING_VAULT_VPC: cannot be used together with KEYRING_VAULT_MTLS/),
    ])
  })

  it('a binding is no text, and elsewhere there is none', () => {
    const text = settingsOf({ ...BASE, KEYRING_VAULT_MTLS: 'some id' })
    expect(sentences(parseConfig(text, 'workers'))).toEqual([
      'KEYRING_VAULT_MTLS: must be a binding (mtls_certificates in wrangler.toml)',
    ])
    expect(refusals({ KEYRING_VAULT_VPC: 'x' })).toEqual([
      'KEYRING_VAULT_VPC: is not read by node, only by workers: remove it here',
    ])
  })
})

describe('the version of the KV engine', () => {
  it('is 2 unless set, and each keyring may have its own', () => {
    const KEYRINGS = '[{"name":"orders","path":"orders"},{"name":"old","path":"old","mount":"kv","kv":"v1"}]'
    expect(vaultOf({ KEYRINGS }).secrets.map(({ kv }) => kv)).toEqual(['v2', 'v2', 'v1'])
    expect(vaultOf({ KEYRINGS, KEYRING_VAULT_KV: 'v1' }).secrets.map(({ kv }) => kv)).toEqual(['v1', 'v1', 'v1'])
    expect(refusals({ KEYRING_VAULT_KV: '1' })).toEqual(['KEYRING_VAULT_KV: must be v1 or v2'])
  })
})
