/** Credentials as people have them: every form of a key, a certificate or a password is read alike, as a text and as a file. */
import { X509Certificate, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readSettings } from '../../functions/node-shared/settings.ts'
import { readTls } from '../../functions/node-shared/tls-files.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Runtime } from '../../src/config/setting.ts'
import { privateKeyIn } from '../../src/core/pem.ts'
import { Secret } from '../../src/core/secret.ts'
import { pkcs8Of } from '../../src/vault/login/pkcs8.ts'
import type { Authority, Pair } from '../support/certificates.ts'
import { authority } from '../support/certificates.ts'
import type { LoginOptions } from '../support/logins.ts'
import { NEVER, loginEnv, loginMethod, loginSettings, loginVault, refusal } from '../support/logins.ts'

let folder: string
let root: Authority
let other: Authority
let client: Pair
let sec1: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'edge-keyring-credentials-'))
  root = await authority('Authority')
  other = await authority('Other')
  client = await root.issue('edge')
  sec1 = createPrivateKey(client.key).export({ type: 'sec1', format: 'pem' }).toString()
})
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
function file(content: string | Uint8Array): string {
  files += 1
  const path = join(folder, `${files}.pem`)
  writeFileSync(path, content)
  return path
}

type Env = Readonly<Record<string, string>>
const problems = (env: Env, runtime: Exclude<Runtime, 'workers'> = 'node'): string[] => {
  const parsed = readSettings({ ...loginEnv({ token: 't' }, { KEYRING_DATABASE: 'k.sqlite' }), ...env }, runtime)
  return parsed.ok ? [] : parsed.problems.map(({ name, message }) => `${name}: ${message}`)
}
const read = (env: Env) => {
  const parsed = readSettings({ ...loginEnv({ token: 't' }, { KEYRING_DATABASE: 'k.sqlite' }), ...env }, 'node')
  if (!parsed.ok || !parsed.config?.vault) throw new Error(inspect(parsed, { depth: 9 }))
  return readTls(parsed.config.vault.tls, Date.now())
}
const credentials = (env: Env) => read(env).credentials
const bare = (pem: string): string => pem.replaceAll(/\s/g, '')

const TRUST_FOR_CLIENTS = Buffer.from('300c300a06082b06010505070302', 'hex')
const BAG = `Bag Attributes
    friendlyName: Acme, Inc. "edge", 2026
    localKeyID: 54 69 6D 65
subject=C = US, O = "Acme, Inc.", CN = edge
issuer=/C=US/O=Acme, Inc./CN=Authority
`
/** What an editor, a tool, a shell or an environment makes of a PEM. */
const DRESSED: Readonly<Record<string, (pem: string) => string>> = {
  'as it is': (pem) => pem,
  'with comments and commas': (pem) => `# Acme, Inc., of 2026\n${pem}# the end, at last\n`,
  'with bag attributes': (pem) => `${BAG}${pem}Key Attributes: <No Attributes>\n`,
  'with escaped line ends': (pem) => pem.replaceAll('\n', '\\n'),
  'with line ends escaped twice': (pem) => pem.replaceAll('\n', '\\\\n'),
  'with CRLF': (pem) => `\r\n${pem.replaceAll('\n', '\r\n')}`,
  'with escaped CRLF': (pem) => pem.replaceAll('\n', '\\r\\n'),
  'with a BOM': (pem) => `\uFEFF${pem}`,
  'in one line': (pem) => pem.replaceAll('\n', ' '),
  indented: (pem) => pem.replaceAll(/^/gm, '    '),
}
const FORMS = Object.keys(DRESSED)
const dressed = (form: string, pem: string): string => DRESSED[form]?.(pem) ?? pem
/** A text stays what it is; in a file it is the file's. */
const WAYS: readonly [string, (text: string) => string][] = [
  ['text', (text) => text],
  ['file', (text) => file(text)],
]
const CASES = WAYS.flatMap(([way, put]) => FORMS.map((form) => [way, form, put] as const))

describe('certificates and keys of TLS', () => {
  it.each(CASES)('are read from a %s: %s', (_way, form, put) => {
    const { ca, cert, key } = credentials({
      KEYRING_VAULT_CACERT: put(dressed(form, root.cert) + dressed(form, other.cert)),
      KEYRING_VAULT_CLIENT_CERT: put(dressed(form, client.cert + root.cert)),
      KEYRING_VAULT_CLIENT_KEY: put(dressed(form, client.key)),
    })
    expect(ca?.map(bare)).toEqual([root.cert, other.cert].map(bare))
    expect(bare(cert ?? '')).toBe(bare(client.cert + root.cert))
    expect(createPrivateKey(key ?? '').equals(createPrivateKey(client.key))).toBe(true)
  })

  it.each(CASES)('are read from one %s with everything in it: %s', (_way, form, put) => {
    const everything = put(dressed(form, `${root.cert}${client.key}${client.cert}`))
    const names = ['CACERT', 'CLIENT_CERT', 'CLIENT_KEY'].map((name) => [`KEYRING_VAULT_${name}`, everything])
    const { ca, cert, key } = credentials(Object.fromEntries(names) as Env)
    expect(ca?.map(bare)).toEqual([root.cert, client.cert].map(bare))
    // The certificate of the key comes first, wherever it stands.
    expect(bare(cert ?? '')).toBe(bare(client.cert + root.cert))
    expect(createPrivateKey(key ?? '').equals(createPrivateKey(client.key))).toBe(true)
  })

  it('say when the client certificate ends, whatever stands beside it', async () => {
    const { cert, key } = await root.issue('edge', { to: 5 })
    const { ends } = read({ KEYRING_VAULT_CLIENT_CERT: root.cert + cert, KEYRING_VAULT_CLIENT_KEY: key })
    expect(ends).toMatchObject([{ what: 'client-certificate', at: Date.parse(new X509Certificate(cert).validTo) }])
    expect(read({ KEYRING_VAULT_CACERT: root.cert }).ends).toEqual([])
  })

  it('are read from SEC 1, with the parameters that OpenSSL puts before it', () => {
    const KEYRING_VAULT_CLIENT_KEY = `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${sec1}`
    const { key } = credentials({ KEYRING_VAULT_CLIENT_CERT: client.cert, KEYRING_VAULT_CLIENT_KEY })
    expect(createPrivateKey(key ?? '').equals(createPrivateKey(client.key))).toBe(true)
  })

  it('are read from a list of texts, files and "system", whose commas stand between them', () => {
    const [text, path] = [dressed('with bag attributes', root.cert), file(other.cert)]
    for (const list of [
      `${root.cert},${path}`,
      `${root.cert.replaceAll('\n', '\\n')}, ${path}`,
      `${BAG}${root.cert} , ${path}`,
    ])
      expect(credentials({ KEYRING_VAULT_CACERT: list }).ca?.map(bare)).toEqual([root.cert, other.cert].map(bare))
    expect(credentials({ KEYRING_VAULT_CACERT: `${path},${root.cert}` }).ca?.map(bare)).toEqual(
      [other.cert, root.cert].map(bare),
    )
    for (const list of [`system, ${text}`, `${root.cert}, system`, `system,${path},${root.cert}`]) {
      const ca = credentials({ KEYRING_VAULT_CACERT: list }).ca?.map(bare) ?? []
      expect([ca.includes(bare(root.cert)), ca.length > 50]).toEqual([true, true])
    }
  })

  it('are read from a list of files that goes over several lines', () => {
    const list = `${file(root.cert)},\n  ${file(other.cert)}\n`
    expect(credentials({ KEYRING_VAULT_CACERT: list }).ca?.map(bare)).toEqual([root.cert, other.cert].map(bare))
    expect(problems({ KEYRING_VAULT_CACERT: `${file(root.cert)},` })).toEqual([
      'KEYRING_VAULT_CACERT: names a file that cannot be read (ENOENT)',
    ])
  })

  it('are read under the other labels that OpenSSL writes', () => {
    // A trusted certificate has what it is trusted for behind it: here, for clients.
    const aux = Buffer.concat([Buffer.from(root.cert.replaceAll(/-----.*|\s/g, ''), 'base64'), TRUST_FOR_CLIENTS])
    const trusted = `-----BEGIN TRUSTED CERTIFICATE-----\n${aux.toString('base64')}\n-----END TRUSTED CERTIFICATE-----\n`
    const list = trusted + other.cert.replaceAll(' CERTIFICATE', ' X509 CERTIFICATE')
    expect(credentials({ KEYRING_VAULT_CACERT: list }).ca?.map(bare)).toEqual([root.cert, other.cert].map(bare))
  })

  it.each(['BAO_CACERT_BYTES', 'VAULT_CACERT_BYTES'])('are read from %s', (name) => {
    expect(credentials({ [name]: root.cert }).ca?.map(bare)).toEqual([bare(root.cert)])
  })

  it('are read from a file whose comments are not UTF-8', () => {
    const latin = new Uint8Array(Buffer.from(`# Autorité\n${root.cert}`, 'latin1'))
    expect(credentials({ KEYRING_VAULT_CACERT: file(latin) }).ca?.map(bare)).toEqual([bare(root.cert)])
  })

  it('are named by what is wrong with them, as a text and as a file', () => {
    const old = { type: 'sec1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'p' } as const
    const locked = createPrivateKey(client.key)
    const passphrase = 'has a private key with a passphrase: openssl pkcs8 -topk8 -nocrypt'
    const wrong = [
      [client.cert, 'has no private key in PEM'],
      [client.key + other.key, 'has more than one private key'],
      [locked.export(old).toString(), passphrase],
      [locked.export({ ...old, type: 'pkcs8' }).toString(), passphrase],
      ['-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', 'has a private key that cannot be read'],
      [other.key, 'does not belong to a certificate of KEYRING_VAULT_CLIENT_CERT'],
    ] as const
    for (const [text, what] of wrong)
      for (const [, put] of WAYS) {
        const env = { KEYRING_VAULT_CLIENT_CERT: client.cert, KEYRING_VAULT_CLIENT_KEY: put(text) }
        expect(problems(env)).toEqual([`KEYRING_VAULT_CLIENT_KEY: ${what}`])
      }
    const wide = new Uint8Array(Buffer.from(`\uFEFF${root.cert}`, 'utf16le'))
    expect(problems({ KEYRING_VAULT_CACERT: file(wide) })).toEqual([
      'KEYRING_VAULT_CACERT: has no certificate in PEM, or one that cannot be read',
    ])
  })

  it('leave no key in what is printed, in whichever setting it stands', () => {
    const both = client.cert + client.key
    const secret = client.key.split('\n')[1] ?? ''
    const names = ['KEYRING_VAULT_CACERT', 'KEYRING_VAULT_CLIENT_CERT', 'KEYRING_VAULT_CLIENT_KEY']
    const tls = Object.fromEntries(names.map((name) => [name, both]))
    const login = { KEYRING_VAULT_AUTH_METHOD: 'cert', KEYRING_VAULT_TOKEN: '' }
    for (const env of [tls, { ...tls, ...login }]) {
      const parsed = parseConfig({ ...loginEnv({ token: 't' }), ...env }, 'node')
      expect(parsed.ok).toBe(true)
      for (const shown of [inspect(parsed, { depth: 9, showHidden: true }), JSON.stringify(parsed)])
        expect([shown.includes(secret), shown.includes('PRIVATE KEY')]).toEqual([false, false])
    }
  })
})

describe('a key in PKCS #1 or SEC 1', () => {
  const inEnvelope = (pem: string): Buffer => {
    const block = privateKeyIn(pem)
    return Buffer.from(typeof block === 'string' ? [] : pkcs8Of(block))
  }

  it.each([512, 768, 1024, 1536, 2048, 2056, 3072, 4096])('is put into the PKCS #8 of OpenSSL: RSA of %s', (bits) => {
    const { privateKey: key } = generateKeyPairSync('rsa', { modulusLength: bits })
    const made = inEnvelope(key.export({ type: 'pkcs1', format: 'pem' }).toString())
    expect(made).toEqual(key.export({ type: 'pkcs8', format: 'der' }))
  })

  it('is put into a PKCS #8 that OpenSSL takes for the same: P-256, which names its curve a second time there', () => {
    const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const made = inEnvelope(key.export({ type: 'sec1', format: 'pem' }).toString())
    expect(createPrivateKey({ key: made, format: 'der', type: 'pkcs8' }).equals(key)).toBe(true)
  })
})

describe('the key of an OAuth2 client', () => {
  const KEYS: Readonly<Record<string, () => { alg: string; privateKey: KeyObject }>> = {
    'RSA of 2048 bits': () => ({ alg: 'RS256', ...generateKeyPairSync('rsa', { modulusLength: 2048 }) }),
    'RSA of 3072 bits': () => ({ alg: 'RS256', ...generateKeyPairSync('rsa', { modulusLength: 3072 }) }),
    'P-256': () => ({ alg: 'ES256', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }),
    Ed25519: () => ({ alg: 'EdDSA', ...generateKeyPairSync('ed25519') }),
  }
  const oauth2 = (oauth2_private_key: string): LoginOptions => ({
    auth_method: 'oauth2',
    oauth2_token_endpoint: 'https://idp.example/token',
    oauth2_client_id: 'client',
    oauth2_private_key,
  })

  /** The assertion that goes out. */
  async function asserted(key: string): Promise<string> {
    let assertion = ''
    const method = loginMethod(oauth2(key), {
      fetch: async (request) => {
        assertion = new URLSearchParams(await request.text()).get('client_assertion') ?? ''
        return Response.json({})
      },
    })
    const why = await refusal(method.login(loginVault('http://127.0.0.1:9'), NEVER))
    return why === 'ERR_OAUTH2_ANSWER_INVALID' ? assertion : why
  }

  it.each(Object.keys(KEYS))('signs, in every form that OpenSSL writes: %s', async (name) => {
    const { alg, privateKey } = KEYS[name]?.() ?? expect.unreachable()
    const traditional = { rsa: 'pkcs1', ec: 'sec1', ed25519: 'pkcs8' }[privateKey.asymmetricKeyType as 'rsa'] as 'pkcs1'
    const pems = ['pkcs8' as const, traditional].map((type) => privateKey.export({ type, format: 'pem' }).toString())
    const jwk = JSON.stringify({ ...privateKey.export({ format: 'jwk' }), kid: 'key-7' })
    const texts = [
      ...pems.flatMap((pem) => FORMS.map((form) => dressed(form, pem))),
      `${root.cert}${pems[1]}${root.cert}`,
      jwk,
      ` ${jwk}\n`,
      `\uFEFF${jwk}`,
    ]
    for (const text of texts)
      for (const [, put] of WAYS) {
        const assertion = await asserted(put(text))
        const verified = await jwtVerify(assertion, createPublicKey(privateKey)).catch(() => null)
        const { protectedHeader } = verified ?? expect.unreachable(text)
        expect(protectedHeader).toEqual({ alg, typ: 'JWT', ...(text.includes('key-7') && { kid: 'key-7' }) })
      }
  })

  it('is named by what is wrong with it: a text at the start, a file at the login', async () => {
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
    const kind = 'is no private key of RSA (2048 bits or more), P-256 or Ed25519'
    const others = [
      ...(['sec1', 'pkcs8'] as const).map((type) => p384.export({ type, format: 'pem' }).toString()),
      ...(['pkcs1', 'pkcs8'] as const).map((type) => short.export({ type, format: 'pem' }).toString()),
      JSON.stringify(short.export({ format: 'jwk' })),
    ]
    for (const pem of others) {
      for (const [, put] of WAYS) expect(await asserted(put(pem))).toMatch(/^ERR_LOGIN_CREDENTIAL_MALFORMED/)
      const work = loginMethod(oauth2(pem)).login(loginVault('http://127.0.0.1:9'), NEVER)
      await expect(work).rejects.toMatchObject({ message: `The credential in oauth2_private_key ${kind}.` })
    }
    const locked = p384.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'p' }).toString()
    const wrong = [
      [locked, 'has a private key with a passphrase: openssl pkcs8 -topk8 -nocrypt'],
      [root.cert, 'has no private key in PEM'],
      [client.key + other.key, 'has more than one private key'],
    ] as const
    for (const [text, what] of wrong) {
      expect(problems(loginEnv(oauth2(text)))).toContain(`KEYRING_VAULT_OAUTH2_PRIVATE_KEY: ${what}`)
      const work = loginMethod(oauth2(file(text))).login(loginVault('http://127.0.0.1:9'), NEVER)
      await expect(work).rejects.toMatchObject({
        code: 'ERR_LOGIN_CREDENTIAL_MALFORMED',
        message: `The credential in oauth2_private_key ${what}.`,
      })
    }
  })
})

describe('a password and a client secret', () => {
  const password = (userpass_password: string) => {
    const settings = loginSettings({ auth_method: 'userpass', userpass_username: 'ann', userpass_password })
    return settings.method === 'userpass' ? settings.password.reveal() : expect.unreachable()
  }
  const secret = (oauth2_client_secret: string) => {
    const settings = loginSettings({
      auth_method: 'oauth2',
      oauth2_token_endpoint: 'https://idp.example/token',
      oauth2_client_id: 'client',
      oauth2_client_secret,
    })
    const client = settings.method === 'oauth2' ? settings.client : expect.unreachable()
    return 'secret' in client ? client.secret.reveal() : expect.unreachable()
  }

  it.each([' p', 'p ', '  p w  ', 'p\u00a0', ' ', 'ä"b', `it's`, '"', '{vault:/x}'])(
    'keep their spaces: %j',
    (text) => {
      expect([password(text), secret(text)]).toEqual([text, text])
    },
  )

  it.each(['p \n', 'p \r\n', '\uFEFFp '])('lose the end and the mark of the file that they were in: %j', (text) => {
    expect([password(text), secret(text)]).toEqual(['p ', 'p '])
  })

  it.each([
    ['p\n\n', 'has a line end in it'],
    ['p\nq', 'has a line end in it'],
    ['p\u0000', 'must be UTF-8 without control characters'],
    ['p\uFFFD', 'must be UTF-8 without control characters'],
    ['p\ud800', 'must be UTF-8 without control characters'],
  ])('are refused with what is no text: %j', (text, what) => {
    const env = loginEnv({ auth_method: 'userpass', userpass_username: 'ann', userpass_password: text })
    expect(problems(env)).toContain(`KEYRING_VAULT_USERPASS_PASSWORD: ${what}`)
  })
})

describe('a token, a role id, a secret id, an API token', () => {
  it.each([' x', 'x\n', 'x \r\n', '\uFEFFx'])('lose what stands around them: %j', (text) => {
    const own = 'an-api-token-of-32-characters-ok'
    const given = { token: text, auth_method: 'token' }
    const parsed = parseConfig({ ...loginEnv(given), KEYRING_API_TOKEN: text.replace('x', own) }, 'node')
    if (!parsed.ok || !parsed.config) throw new Error(inspect(parsed, { depth: 9 }))
    const { auth } = parsed.config.vault ?? expect.unreachable()
    const token = auth.method === 'token' ? auth.token : expect.unreachable()
    expect([token.reveal(), parsed.config.node.apiToken?.reveal()]).toEqual(['x', own])
    const role = loginSettings({ auth_method: 'approle', approle_role_id: text, approle_secret_id: text })
    expect(role).toMatchObject({ roleId: new Secret('x'), secretId: new Secret('x') })
  })

  it('lists in JSON may begin with the mark of a file', () => {
    expect(problems({ KEYRINGS: '\uFEFF[]\n', KEYRING_VAULT_HEADERS: '\uFEFF{}' })).toEqual([])
  })

  it.each([
    ['"a.b.c"', 'is still in its quotes'],
    ["'a.b.c'\n", 'is still in its quotes'],
    [Uint8Array.of(0x61, 0xff), 'is empty or not UTF-8'],
    [new Uint8Array(Buffer.from('\uFEFFa.b.c', 'utf16le')), 'is empty or not UTF-8'],
  ])('in a file are named by what is wrong: %j', async (content, what) => {
    const path = file(content)
    const methods = [
      { auth_method: 'approle', approle_role_id: 'r', approle_secret_id_file: path },
      { auth_method: 'jwt', jwt_file: path },
      { auth_method: 'kubernetes', kube_api_token_file: path },
    ]
    for (const options of methods)
      await expect(loginMethod(options).login(loginVault('http://127.0.0.1:9'), NEVER)).rejects.toMatchObject({
        code: 'ERR_LOGIN_CREDENTIAL_MALFORMED',
        message: expect.stringMatching(new RegExp(`^The credential in \\w+ ${what}\\.$`)),
      })
  })

  it('in a file may begin with the mark of it', async () => {
    const options = { auth_method: 'jwt', jwt_file: file('\uFEFFa.b.c\r\n') }
    const sent: unknown[] = []
    const vault = loginVault('http://127.0.0.1:9', '', async (request) => {
      sent.push(await request.json())
      return Response.json({ errors: [] }, { status: 400 })
    })
    await refusal(loginMethod(options).login(vault, NEVER))
    expect(sent).toEqual([{ jwt: 'a.b.c' }])
  })
})

describe('what is no file with credentials', () => {
  const names = { authorities: 'VAULT_CACERT_BYTES', cert: '', key: '' }

  it.each([
    ['a device without an end', () => '/dev/zero', 'no ordinary file'],
    ['a folder', () => folder, 'EISDIR'],
    ['larger than any', () => file(Buffer.alloc(1024 * 1024 + 1, 'x')), 'larger than 1 MiB'],
  ])('is not read: %s', (_name, pathOf, code) => {
    expect(problems({ KEYRING_VAULT_CACERT: pathOf() })).toContain(
      `KEYRING_VAULT_CACERT: names a file that cannot be read (${code})`,
    )
  })

  it('is looked for in no text that is always one', () => {
    const { problems } = readTls({ authorities: new Secret('1'), client: null, serverName: null, names }, 0)
    expect(problems).toEqual([
      { name: 'VAULT_CACERT_BYTES', message: 'has no certificate in PEM, or one that cannot be read' },
    ])
  })
})

describe('a text that only begins', () => {
  /** What grew with the square of these texts took minutes. */
  it.each([
    ['blocks without an end', '-----BEGIN PRIVATE KEY-----\n'],
    ['line ends escaped without an end', '\\'],
  ])('with a megabyte of %s, is read once', (_name, part) => {
    expect(privateKeyIn(part.repeat(1_000_000 / part.length))).toBe('has no private key in PEM')
  })

  it('is no reason to miss the block that follows', () => {
    const key = privateKeyIn(
      `-----BEGIN PRIVATE KEY-----\nbroken\n-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----`,
    )
    expect(key).toEqual({ label: 'PRIVATE KEY', content: 'MC4=' })
  })
})
