/** Vault entities as settings: two ways to write the same, what is wrong with one stops no other, and nothing secret is shown. */
import fc from 'fast-check'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { readAnswering } from '../../src/config/answering.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { EntitySettings } from '../../src/config/entities.ts'
import { readEntities } from '../../src/config/entities.ts'
import { knownEntities } from '../../src/config/entity.ts'
import { LOGIN_OPTIONS, METHODS, METHOD_NAMES } from '../../src/config/login-methods.ts'
import { referencesIn } from '../../src/config/names.ts'
import type { Env, Runtime, Setting } from '../../src/config/setting.ts'
import { Secret } from '../../src/core/secret.ts'
import type { Entity } from '../../src/secrets/secrets.ts'

type Fields = Readonly<Record<string, unknown>>

const listed = (...vaults: readonly object[]): Env => ({ KEYRING_VAULTS: JSON.stringify(vaults) })
const hcv = (config: Fields, prefix = 'hashicorp-vault') => ({
  name: 'hcv',
  prefix,
  config: { token: 't', ...config },
})
const capitals = (fields: Fields, prefix: string): Env =>
  Object.fromEntries(Object.entries(fields).map(([field, value]) => [prefix + field.toUpperCase(), String(value)]))

/** The one entity, which must be right. */
function right(env: Env, runtime: Runtime = 'node'): EntitySettings {
  const { entities, broken, problems } = readEntities(env, runtime)
  const [entity] = entities
  if (entity === undefined || broken.length + problems.length > 0)
    throw new Error(inspect({ broken, problems }, false, 5))
  return entity
}

/** What is wrong with the one entity. */
function wrong(env: Env, runtime: Runtime = 'node'): string[] {
  const { entities, broken, problems } = readEntities(env, runtime)
  expect(entities).toEqual([])
  return [...broken.flatMap((each) => each.problems), ...problems].map(({ name, message }) => `${name}: ${message}`)
}

const vaultOf = (entity: EntitySettings) => {
  if (entity.backend.type !== 'hcv') throw new Error('It is no HashiCorp Vault.')
  return entity.backend
}

function reveal(value: unknown): unknown {
  if (value instanceof Secret) return `secret ${value.reveal()}`
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, reveal(each)]))
}

/** https://idp.example stands for the identity provider of the how-to. */
const HOW_TO = {
  host: 'vault.example',
  port: 8200,
  protocol: 'http',
  mount: 'secret',
  kv: 'v2',
  token: 'root',
  auth_method: 'oauth2',
  oauth2_role_name: 'demo',
  oauth2_token_endpoint: 'https://idp.example/oauth/token',
  oauth2_client_id: 'client',
  oauth2_client_secret: 'canary-secret',
  oauth2_audiences: 'https://idp.example/api/v2/',
}

const HELD = 'ttl neg_ttl resurrect_ttl base64_decode decode_base64'
/** Of Kong 3.15: https://developer.konghq.com/gateway/configuration/ */
const KONG_FIELDS = {
  hcv: `protocol host port namespace mount kv auth_method token kube_role kube_api_token_file kube_auth_path approle_auth_path approle_role_id approle_secret_id approle_secret_id_file approle_response_wrapping cert_auth_role_name cert_auth_cert cert_auth_cert_key oauth2_role_name jwt_role oauth2_token_endpoint oauth2_client_id oauth2_client_secret oauth2_audiences gcp_auth_role gcp_login_path gcp_service_account gcp_jwt_exp azure_auth_role azure_login_path aws_auth_role aws_login_path aws_auth_region aws_auth_nonce aws_access_key_id aws_secret_access_key aws_sts_endpoint_url aws_assume_role_arn aws_role_session_name ssl_verify ${HELD}`,
  aws: `region endpoint_url assume_role_arn role_session_name sts_endpoint_url ${HELD}`,
  env: `prefix ${HELD}`,
  fs: `prefix ${HELD}`,
}

describe('a vault entity', () => {
  it("of the how-to means the same in decK's form, as a list, and as Kong's settings", () => {
    const vaults = [hcv(HOW_TO)]
    const open = { KEYRING_VAULT_ALLOW_HTTP: 'on' }
    const written = [
      { ...listed(...vaults), ...open },
      { KEYRING_VAULTS: JSON.stringify({ _format_version: '3.0', vaults }), ...open },
      { ...capitals(HOW_TO, 'KONG_VAULT_HCV_'), ...open },
    ].map((env) => right(env))
    expect(written.map(({ prefix }) => prefix)).toEqual(['hashicorp-vault', 'hashicorp-vault', 'hcv'])
    for (const entity of written) {
      const { kv, mount, vault } = vaultOf(entity)
      expect([kv, mount, vault.address, vault.namespace, vault.timeoutMs]).toEqual([
        'v2',
        'secret',
        'http://vault.example:8200',
        '',
        5000,
      ])
      expect(reveal(vault.auth)).toMatchObject({
        method: 'oauth2',
        mount: 'jwt',
        role: 'demo',
        tokenEndpoint: 'https://idp.example/oauth/token',
        clientId: 'client',
        client: { auth: 'client_secret_basic', secret: 'secret canary-secret' },
        audiences: ['https://idp.example/api/v2/'],
      })
      expect(entity.identity).toBe(JSON.stringify(['hcv', 'http://vault.example:8200', '', 'secret', 'v2']))
    }
  })

  it("has Kong's defaults: KV version 1 on loopback, nothing asked for again, and a long resurrection", () => {
    const entity: Entity = right(listed(hcv({})))
    expect(entity).toMatchObject({
      identity: JSON.stringify(['hcv', 'http://127.0.0.1:8200', '', 'secret', 'v1']),
      rules: { ttlMs: 0, negTtlMs: 0, resurrectMs: 1e11, resurrectDeleted: false },
      isBase64: false,
    })
    const held = { ttl: 60, neg_ttl: 5, resurrect_ttl: 0, resurrect_deleted: true, base64_decode: true }
    const rules = { ttlMs: 60_000, negTtlMs: 5000, resurrectMs: 0, resurrectDeleted: true }
    expect(right(listed(hcv(held)))).toMatchObject({ rules, isBase64: true })
    expect(right({ ...capitals({ token: 't', decode_base64: 'true' }, 'KONG_VAULT_HCV_') }).isBase64).toBe(true)
    expect(wrong(listed(hcv({ ttl: 59 })))).toEqual([
      'vaults.hashicorp-vault.config.ttl: must be 0, for what is never asked for again, or 60 seconds or more',
    ])
  })

  it('is another place when it reads elsewhere, and the same however long what it said holds', () => {
    const place = (name: string, config: Fields) => right(listed({ name, prefix: 'vault', config })).identity
    const places: readonly (readonly [string, Fields, Fields])[] = [
      ['hcv', { token: 't' }, { host: 'localhost' }],
      ['hcv', { token: 't' }, { port: 8201 }],
      ['hcv', { token: 't' }, { protocol: 'https' }],
      ['hcv', { token: 't' }, { namespace: 'team' }],
      ['hcv', { token: 't' }, { mount: 'kv' }],
      ['hcv', { token: 't' }, { kv: 'v2' }],
      ['aws', { region: 'eu-west-1' }, { region: 'eu-west-2' }],
      ['aws', { region: 'eu-west-1' }, { endpoint_url: 'https://aws.example' }],
      ['aws', { region: 'eu-west-1' }, { assume_role_arn: 'arn:aws:iam::123456789012:role/read' }],
      ['env', { prefix: 'a' }, { prefix: 'b' }],
      ['fs', { prefix: '/a' }, { prefix: '/b' }],
    ]
    for (const [type, config, other] of places) {
      expect(place(type, { ...config, ...other })).not.toBe(place(type, config))
      const held = { ttl: 60, neg_ttl: 1, resurrect_ttl: 1, resurrect_deleted: true, base64_decode: true }
      expect(place(type, { ...config, ...held })).toBe(place(type, config))
    }
    expect(place('hcv', { token: 'other', namespace: '/', mount: '/secret/' })).toBe(place('hcv', { token: 't' }))
  })

  it('without a ttl is told of once, all of them in one sentence', () => {
    const { notices } = readEntities(listed(hcv({}), hcv({}, 'other'), hcv({ ttl: 60 }, 'third')), 'node')
    expect(notices).toEqual([
      'What vaults without a ttl have said is never asked for again, as in Kong (hashicorp-vault, other).',
    ])
  })

  it('that is wrong stops no other, and its problems have the names that were written', () => {
    const env = {
      ...listed(hcv({ port: 0, namspace: 'x' }, 'wrong'), hcv({ ttl: 60 }, 'fine'), hcv({}, 'no_prefix')),
      KONG_VAULT_AWS_REGION: 'nowhere',
    }
    const { entities, broken, problems } = readEntities(env, 'node')
    expect([entities.map(({ prefix }) => prefix), problems]).toEqual([['fine'], []])
    expect(broken.map(({ prefix, problems: own }) => [prefix, own.map(({ name }) => name)])).toEqual([
      ['aws', ['KONG_VAULT_AWS_REGION']],
      ['wrong', ['vaults.wrong.config.port', 'vaults.wrong.config.namspace']],
      ['', ['vaults.3.prefix']],
    ])
  })

  it.each([
    ['a', 'one letter'],
    ['A1', 'a capital'],
    ['ab-', 'a dash at the end'],
    ['1a', 'a digit first'],
    ['hcv', 'a type'],
    ['konnect', 'a type that is not offered'],
  ])('is refused with the prefix %s: %s', (prefix) => {
    expect(wrong(listed(hcv({}, prefix)))).toEqual([expect.stringMatching(/^vaults\.1\.prefix: must be two or more /)])
  })

  it('is refused with the prefix of another, and so is the other: nobody can tell which is meant', () => {
    expect(wrong(listed(hcv({}), { name: 'env', prefix: 'hashicorp-vault' }))).toEqual(
      Array<string>(2).fill('vaults.hashicorp-vault.prefix: is the prefix of another too'),
    )
  })

  it.each(['gcp', 'azure', 'azure-certs', 'conjur', 'konnect', 'other', 3, undefined])(
    'of the backend %s is named, and is none here',
    (name) => {
      expect(wrong(listed({ name, prefix: 'cloud', config: { project_id: 'x' } }))).toEqual([
        'vaults.cloud.name: must be one of hcv, aws, env, fs: no other backend is offered here',
      ])
    },
  )

  it("of another backend in Kong's settings is named too, and what is of no vault is told of", () => {
    const env = { KONG_VAULT_AZURE_CERTS_TTL: '60', KONG_VAULT_GCP_PROJECT_ID: 'x', KONG_VAULT_ROTATION_INTERVAL: '60' }
    const { broken, notices } = readEntities(env, 'node')
    expect(broken.map(({ prefix, name }) => [prefix, name])).toEqual([
      ['azure-certs', 'KONG_VAULT_AZURE_CERTS_*'],
      ['gcp', 'KONG_VAULT_GCP_*'],
    ])
    expect(notices).toEqual(['KONG_VAULT_ROTATION_INTERVAL: not used here, of no vault.'])
  })

  it.each(Object.entries(KONG_FIELDS))(
    "of the type %s knows every name of Kong's, in both ways of writing",
    (type, names) => {
      for (const name of names.split(' ')) {
        const inList = listed({ name: type, prefix: 'vault', config: { [name]: 'x' } })
        for (const env of [inList, { [`KONG_VAULT_${type.toUpperCase()}_${name.toUpperCase()}`]: 'x' }])
          expect(JSON.stringify(readEntities(env, 'node').broken)).not.toContain('is not a field')
      }
    },
  )

  it('may have fields of logins that come later, which are told of; such a login is refused', () => {
    const env = listed(hcv({ ttl: 60, gcp_auth_role: 'x' }))
    expect([right(env).prefix, readEntities(env, 'node').notices]).toEqual([
      'hashicorp-vault',
      ['vaults.hashicorp-vault.config.gcp_auth_role is not used here: its login comes with a later release.'],
    ])
    expect(wrong(listed(hcv({ auth_method: 'gcp_iam' })))).toEqual([
      expect.stringMatching(/^vaults\.hashicorp-vault\.config\.auth_method: .*this login comes with a later release$/),
    ])
  })

  it('takes what decK dumps: null is not set, lists are texts between commas; other shapes are refused', () => {
    const entity = right(
      listed({
        ...hcv({ ...HOW_TO, host: 'localhost', oauth2_audiences: ['a', 'b'], namespace: null }),
        id: 'x',
        tags: ['t'],
      }),
    )
    expect(vaultOf(entity).vault.auth).toMatchObject({ audiences: ['a', 'b'] })
    expect(entity.view).toMatchObject({ tags: ['t'], description: null })
    expect(wrong(listed(hcv({ mount: { a: 1 } })))).toEqual([
      'vaults.hashicorp-vault.config.mount: must be a text, a number, true or false',
    ])
    expect(wrong(listed(hcv({ 'canary value': 1 })))).toEqual([
      'vaults.hashicorp-vault.config: has a field that no vault has',
    ])
    expect(wrong(listed({ ...hcv({}), confg: {} }))).toHaveLength(1)
    expect(wrong(listed({ ...hcv({}), config: [] }))[0]).toBe('vaults.hashicorp-vault.config: must be an object')
  })

  it.each(['{', '"x"', '{"vaults":3}', "'[]'", '{vault://env/x}'])(
    'is none in %s, which is a problem of the setting',
    (text) => {
      expect(wrong({ KEYRING_VAULTS: text })).toEqual([expect.stringMatching(/^KEYRING_VAULTS: (?:must be|is still)/)])
    },
  )

  it('leaves the rest of a gateway alone, and says how much that is', () => {
    const gateway = { _format_version: '3.0', services: [{}, {}], plugins: [{}], vaults: [hcv({ ttl: 60 })] }
    expect(readEntities({ KEYRING_VAULTS: JSON.stringify(gateway) }, 'node').notices).toEqual([
      'KEYRING_VAULTS: what is not in "vaults" is not used here (3).',
    ])
  })

  it('has no reference in it that anybody resolves: it is refused, and no other is', () => {
    const { entities, broken } = readEntities(listed(hcv({ token: '{vault://env/t}' }), hcv({}, 'other')), 'node')
    expect(entities.map(({ prefix }) => prefix)).toEqual(['other'])
    expect(broken[0]?.problems[0]?.message).toMatch(/^has a reference/)
  })

  it('verifies certificates, whatever it says', () => {
    for (const env of [
      listed(hcv({ ssl_verify: false })),
      capitals({ token: 't', ssl_verify: 'off' }, 'KONG_VAULT_HCV_'),
    ])
      expect(wrong(env)).toEqual([
        expect.stringMatching(/asks for certificates not to be verified, which is never done/),
      ])
    expect(right(listed(hcv({ ssl_verify: true }))).prefix).toBe('hashicorp-vault')
  })

  it('is asked by plain http on loopback alone, unless the deployment allows it, and then with a warning', () => {
    const env = listed(hcv({ host: 'vault.example', ttl: 60 }))
    expect(wrong(env)).toEqual([
      'vaults.hashicorp-vault.config.protocol: must be https, unless the host is loopback or KEYRING_VAULT_ALLOW_HTTP is on',
    ])
    const { notices } = readEntities({ ...env, KEYRING_VAULT_ALLOW_HTTP: 'on' }, 'node')
    expect(notices).toEqual([expect.stringMatching(/^WARNING: vaults\.hashicorp-vault is plain http/)])
    expect(vaultOf(right(listed(hcv({ host: '::1' })))).vault.address).toBe('http://[::1]:8200')
  })

  it("trusts the deployment's authorities, presents its own certificate, and has nothing else of the keyring's Vault", () => {
    const own = {
      KEYRING_VAULT_CACERT: '/ca.pem',
      KEYRING_VAULT_CLIENT_CERT: '/own.pem',
      KEYRING_VAULT_CLIENT_KEY: '/own.key',
      KEYRING_VAULT_NAMESPACE: 'own',
      KEYRING_VAULT_HEADERS: '{"a":"b"}',
      KEYRING_VAULT_TIMEOUT_MS: '700',
    }
    const https = { protocol: 'https', host: 'vault.example' }
    const { vault } = vaultOf(right({ ...own, ...listed(hcv(https)) }))
    expect(reveal(vault)).toMatchObject({ headers: {}, namespace: '', timeoutMs: 700 })
    expect(reveal(vault.tls)).toMatchObject({ authorities: 'secret /ca.pem', client: null, serverName: null })
    const cert = { auth_method: 'cert', cert_auth_cert: '/c.pem', cert_auth_cert_key: '/c.key' }
    expect(reveal(vaultOf(right({ ...own, ...listed(hcv({ ...https, ...cert })) })).vault.tls)).toMatchObject({
      client: { cert: 'secret /c.pem', key: 'secret /c.key' },
      names: { cert: 'vaults.hashicorp-vault.config.cert_auth_cert' },
    })
    const files = readEntities(listed(hcv({ ...https, ...cert })), 'node', ({ names }) => [
      { name: names.cert, message: 'x' },
    ])
    expect([files.entities, files.broken[0]?.problems]).toEqual([
      [],
      [{ name: 'vaults.hashicorp-vault.config.cert_auth_cert', message: 'x' }],
    ])
  })

  it.each(['BAO_TOKEN', 'VAULT_TOKEN', 'KEYRING_VAULT_TOKEN', 'KONG_KEYRING_VAULT_TOKEN', 'KONG_KONG_VAULT_HCV_TOKEN'])(
    'never logs in with %s, which is for the Vault of the keyring',
    (name) => {
      expect(wrong({ [name]: 'own', KONG_VAULT_HCV_TTL: '60' })).toEqual([
        'KONG_VAULT_HCV_TOKEN: is required: a Vault token that may read the secret',
      ])
    },
  )

  it('on Workers presents a certificate only by the binding', () => {
    const env = listed({ ...hcv({ auth_method: 'cert' }), name: 'hcv' })
    expect(wrong(env, 'workers')).toEqual([
      expect.stringMatching(
        /^vaults\.hashicorp-vault\.config\.auth_method: cannot be cert on Workers without KEYRING_VAULT_MTLS/,
      ),
    ])
    expect(right({ ...env, KEYRING_VAULT_MTLS: '[binding]' }, 'workers').type).toBe('hcv')
  })
})

it('is no problem of the start, on any platform, whatever is wrong with it', () => {
  const env = {
    KEYRING_VAULT_HOST: 'https://vault.example',
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: 'keyring',
    KEYRING_VAULT_TOKEN: 't',
    KEYRING_WRAPPING_KEYS: `main:${Buffer.alloc(32, 7).toString('base64')}`,
    KEYRING_VAULTS: '{{vault://',
    KONG_VAULT_HCV_HOST: ':x',
  }
  const API_TOKENS = { KEYRING_API_TOKENS: JSON.stringify([{ name: 'ci', sha256: 'ab'.repeat(32), grants: ['read'] }]) }
  const lambda = { KEYRING_TABLE: 'table', KEYRING_WRAPPING_KEYS: env.KEYRING_WRAPPING_KEYS, KEYRING_VAULTS: '[' }
  for (const parsed of [
    parseConfig({ ...env, ...API_TOKENS }, 'node'),
    parseConfig({ ...env, ...API_TOKENS }, 'workers'),
    parseConfig({ ...env, KEYRING_TABLE: 'table' }, 'lambda-sync'),
    readAnswering({ ...lambda, ...API_TOKENS, KEYRING_SYNC_FUNCTION: 'sync' }),
  ])
    expect(parsed).toMatchObject({ ok: true })
})

it('may be a list given by reference; a reference within the list is not one to the list', () => {
  const inside = JSON.stringify([hcv({ token: '{vault://env/t}' })])
  expect(referencesIn({ KEYRING_VAULTS: inside }, 'node')).toEqual([])
  expect(referencesIn({ KEYRING_VAULTS: '{vault://aws/edge-keyring/vaults}' }, 'node')).toEqual(['KEYRING_VAULTS'])
})

describe('the login of an entity', () => {
  /** A text that is right for an option, or none. */
  const TEXTS: Readonly<Record<string, readonly string[]>> = {
    oauth2_token_endpoint: ['https://idp.example/token', 'http://127.0.0.1:9/token'],
    oauth2_issuer: ['https://idp.example'],
    oauth2_cacert: ['/ca.pem', 'system'],
    oauth2_client_auth: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    oauth2_private_key: ['{"kty":"EC"}', '/key.pem'],
    oauth2_parameters: ['{"tenant":"t"}'],
    oauth2_scopes: ['a b'],
    jwt_source: ['google'],
    approle_response_wrapping: ['on', 'false'],
    aws_auth_region: ['eu-west-1', 'cn-north-1'],
    aws_access_key_id: ['AKIATESTTESTTESTTEST'],
    aws_sts_endpoint_url: ['https://sts.example'],
    aws_assume_role_arn: ['arn:aws:iam::123456789012:role/edge'],
  }
  const options = (method: keyof typeof METHODS) =>
    Object.keys(METHODS[method].options).flatMap((option) => {
      const { also = [] } = (LOGIN_OPTIONS as Readonly<Record<string, Setting>>)[option] ?? {}
      const texts = TEXTS[option] ?? ['text', 'Other-text.9', '/a/path']
      return [option, ...also].map((name) => fc.record({ name: fc.constant(name), text: fc.constantFrom(...texts) }))
    })
  const login = fc.constantFrom(...METHOD_NAMES).chain((method) =>
    fc
      .tuple(
        ...options(method).map((each) => fc.option(each, { nil: null, freq: 3 })),
        fc.option(fc.constant({ name: 'login_namespace', text: 'team' }), { nil: null }),
      )
      .map((given) => ({
        auth_method: method as string,
        ...Object.fromEntries(given.flatMap((each) => (each === null ? [] : [[each.name, each.text]]))),
      })),
  )
  /** One of each method, so that chance leaves none out. */
  const COMPLETE: readonly { auth_method: string; [option: string]: string }[] = [
    { auth_method: 'token', token: 't' },
    { auth_method: 'kubernetes', kube_api_token: 'a.b.c' },
    { auth_method: 'approle', approle_role_id: 'r', approle_secret_id: 's' },
    { auth_method: 'cert', cert_auth_cert: '/c.pem', cert_auth_cert_key: '/c.key' },
    { auth_method: 'jwt', jwt: 'a.b.c' },
    { auth_method: 'oauth2', oauth2_issuer: 'https://idp.example', oauth2_client_id: 'c', oauth2_client_secret: 's' },
    {
      auth_method: 'aws_iam',
      aws_auth_region: 'eu-west-1',
      aws_access_key_id: 'AKIATESTTESTTESTTEST',
      aws_secret_access_key: 's',
    },
    { auth_method: 'userpass', userpass_username: 'ann', userpass_password: 'p' },
  ]
  const KEYRING = {
    KEYRING_VAULT_HOST: 'https://vault.example:8200',
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: 'keyring',
    KEYRING_WRAPPING_KEYS: `main:${Buffer.alloc(32, 7).toString('base64')}`,
    KEYRING_API_TOKENS: JSON.stringify([{ name: 'ci', sha256: 'ab'.repeat(32), grants: ['read'] }]),
    KEYRING_TABLE: 'table',
  }

  it.each(['node', 'workers', 'lambda-sync'] as const)(
    "is the same as that of the keyring's own Vault, and wrong in the same way, however it is written, on %s",
    (runtime) => {
      const { KEYRING_TABLE: table, KEYRING_API_TOKENS: tokens, ...rest } = KEYRING
      const keyring = {
        ...rest,
        ...(runtime === 'lambda-sync' ? { KEYRING_TABLE: table } : { KEYRING_API_TOKENS: tokens }),
      }
      const place = { protocol: 'https', host: 'vault.example' }
      const seen = new Set<string>()
      fc.assert(
        fc.property(login, (fields) => {
          const own = parseConfig({ ...keyring, ...capitals(fields, 'KEYRING_VAULT_') }, runtime)
          const others = [
            readEntities(capitals({ ...place, ...fields }, 'KONG_VAULT_HCV_'), runtime),
            readEntities(listed({ name: 'hcv', prefix: 'vault', config: { ...place, ...fields } }), runtime),
          ]
          for (const { entities, broken } of others) {
            const [entity] = entities
            if (own.ok && own.config?.vault) {
              expect(entity && reveal(vaultOf(entity).vault.auth)).toEqual(reveal(own.config.vault.auth))
              expect(entity && vaultOf(entity).vault.loginNamespace).toBe(own.config.vault.loginNamespace)
              seen.add(own.config.vault.auth.method)
            } else expect(broken).toHaveLength(1)
          }
        }),
        { numRuns: 700, examples: COMPLETE.map((fields) => [fields]) },
      )
      const possible = METHOD_NAMES.filter((name) => runtime !== 'workers' || name !== 'cert')
      expect([...seen].sort()).toEqual([...possible].sort())
    },
  )
})

describe('the other backends', () => {
  it('are AWS Secrets Manager, with the region of the platform and the keys that it gives', () => {
    const env = {
      ...listed({ name: 'aws', prefix: 'aws-eu', config: { assume_role_arn: 'arn:aws:iam::123456789012:role/read' } }),
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'ASIA',
      AWS_SECRET_ACCESS_KEY: 'k',
    }
    expect(reveal(right(env, 'lambda-sync').backend)).toEqual({
      type: 'aws',
      region: 'eu-west-1',
      endpoint: null,
      stsEndpoint: 'https://sts.eu-west-1.amazonaws.com/',
      assume: { arn: 'arn:aws:iam::123456789012:role/read', session: 'KongVault' },
      credentials: { from: 'keys', accessKeyId: 'ASIA', secretAccessKey: 'secret k', sessionToken: null },
    })
    expect(wrong({ KONG_VAULT_AWS_TTL: '60' })).toEqual([
      'KONG_VAULT_AWS_REGION: is required: the region, such as eu-west-1',
    ])
    expect(wrong({ KONG_VAULT_AWS_REGION: 'eu-west-1' }, 'workers')).toEqual([
      expect.stringMatching(/^KONG_VAULT_AWS_\*: needs AWS_ACCESS_KEY_ID and /),
    ])
    for (const endpoint_url of ['http://aws.example', 'https://u:p@aws.example', 'x'])
      expect(
        wrong(listed({ name: 'aws', prefix: 'aws-eu', config: { region: 'eu-west-1', endpoint_url } })),
      ).toHaveLength(1)
  })

  it('are files, where there is a folder of them', () => {
    const env = listed({ name: 'fs', prefix: 'files', config: { prefix: '/run/secrets' } })
    expect(right(env).backend).toEqual({ type: 'fs', folder: '/run/secrets' })
    expect(wrong({ KONG_VAULT_FS_TTL: '60' })).toEqual([
      'KONG_VAULT_FS_PREFIX: is required: the folder that secrets are read from',
    ])
    for (const [runtime, word] of [
      ['workers', 'Workers'],
      ['lambda-sync', 'Lambda'],
    ] as const)
      expect(wrong(env, runtime)).toEqual([`vaults.files: cannot be used on ${word}, which has no folder of secrets`])
  })

  it('are the environment, of which a part is set aside for callers', () => {
    expect(right({ KONG_VAULT_ENV_PREFIX: 'app-' })).toMatchObject({ isOwn: false, prefix: 'env' })
    expect(right(listed({ name: 'env', prefix: 'my-env' }))).toMatchObject({ isOwn: true })
    expect(wrong({ KONG_VAULT_ENV_PREFIX: '1a' })).toHaveLength(1)
  })
})

describe('a secret that no vault is asked for', () => {
  const troubles = (env: Env, resources: readonly string[], version: number | null = null) =>
    resources.map((resource) => right(env).trouble({ resource, version }) !== null)
  const all = (count: number, value: boolean) => Array<boolean>(count).fill(value)

  it('has a segment that leads elsewhere, in a Vault or a folder', () => {
    const files = listed({ name: 'fs', prefix: 'files', config: { prefix: '/run/secrets' } })
    const bad = [
      '',
      '.',
      '..',
      'a/..',
      '../a',
      'a//b',
      '/a',
      'a/',
      'a/./b',
      'a\\b',
      'a\nb',
      'a\u0000',
      'a\u0085',
      '\ud800',
    ]
    const good = ['a', 'a/b', '...', '.a', 'a..b', 'ä', '%2e%2e', 'a b']
    for (const env of [listed(hcv({ kv: 'v2' })), listed(hcv({})), files]) {
      expect(troubles(env, bad)).toEqual(all(bad.length, true))
      expect(troubles(env, good)).toEqual(all(good.length, false))
    }
    expect(troubles(listed(hcv({ kv: 'v2' })), ['a'], 7)).toEqual([false])
    expect([...troubles(listed(hcv({})), ['a'], 7), ...troubles(files, ['a'], 1)]).toEqual([true, true])
  })

  it('of files has a field only where it is JSON, and is the file of that path everywhere else', () => {
    const { split } = right(listed({ name: 'fs', prefix: 'files', config: { prefix: '/run/secrets' } }))
    expect(split({ resource: 'db', key: 'password.txt' })).toEqual({ resource: 'db/password.txt', key: null })
    expect(split({ resource: 'creds.json', key: 'password' })).toEqual({ resource: 'creds.json', key: 'password' })
    expect(split({ resource: 'a.txt', key: null })).toEqual({ resource: 'a.txt', key: null })
    expect(right(listed(hcv({}))).split({ resource: 'db', key: 'a' })).toEqual({ resource: 'db', key: 'a' })
  })

  it('is of a version that AWS does not keep, or of a name that it does not have', () => {
    const env = { KONG_VAULT_AWS_REGION: 'eu-west-1' }
    const arn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf'
    expect(troubles(env, ['a/b', '/secret/key', arn], 2)).toEqual(all(3, false))
    expect(troubles(env, ['a'], 3)).toEqual([true])
    expect(troubles(env, ['', 'a b', 'ä', 'a\n'])).toEqual(all(4, true))
  })

  it('is a variable that we read, however it is written and joined', () => {
    const refused = [
      'keyring_wrapping_keys',
      'KEYRINGS',
      'edge-keyring-token',
      'Kong-vault-hcv-token',
      'kong_pg_password',
      'vault-token',
      'bao_token',
      'aws_secret_access_key',
      'deck_token',
      'host',
      'port',
      'identity-header',
      'actions_id_token_request_token',
      'azure_client_id',
      'https-proxy',
      'no word',
      '1st',
      'a.b',
      'aw\u017f-secret-access-key',
    ]
    expect(troubles(listed({ name: 'env', prefix: 'my-env' }), refused)).toEqual(all(refused.length, true))
    expect(troubles({ KONG_VAULT_ENV_PREFIX: 'key' }, ['ring-wrapping-keys', 'x'])).toEqual([true, false])
    expect(troubles({ KONG_VAULT_ENV_PREFIX: 'v-' }, ['aws-secret', 'keyring_x', 'ault_token'])).toEqual(all(3, false))
    const { backend } = right({ KONG_VAULT_ENV_PREFIX: 'key' })
    if (backend.type !== 'env') throw new Error('It is no environment.')
    const variables = [
      { resource: 'ring-token', version: null },
      { resource: '-api.token', version: null },
      { resource: '-api-token', version: 1 },
      { resource: '-api-token', version: 2 },
    ].map((name) => backend.variableOf(name))
    expect(variables).toEqual([null, null, 'KEY_API_TOKEN', 'KEY_API_TOKEN_PREVIOUS'])
  })
})

it('a variable that a setting is read from by reference is as much of ours, under any prefix', () => {
  const vaults = [hcv({ token: '{vault://env/hcv-token}' }), { name: 'env', prefix: 'my-env', config: { prefix: 'm' } }]
  const settings = {
    KEYRING_VAULT_TOKEN: '{vault://env/my-token}',
    KONG_KEYRING_VAULT_PATH: '{vault://env/y_path/key?prefix=m}',
    KONG_VAULT_HCV_TOKEN: '{vault://env/my-kong-previous}',
    OTHER: '{vault://env/my-other}',
  }
  const { entities } = readEntities({ ...settings, ...listed(...vaults) }, 'node')
  const [entity] = entities
  const asked = ['y_token', 'Y-PATH', 'y_kong_previous', 'y-other'].map((resource) => ({ resource, version: null }))
  expect(asked.map((name) => entity?.trouble(name) === null)).toEqual([false, false, false, true])
  expect(entity?.trouble({ resource: 'y_token', version: 2 })).not.toBeNull()
  const variables = asked.map((name) => (entity?.backend.type === 'env' ? entity.backend.variableOf(name) : ''))
  expect(variables).toEqual([null, null, null, 'MY_OTHER'])
  const hcvToken = listed(vaults[0] ?? {}, { name: 'env', prefix: 'my-env' })
  expect(readEntities(hcvToken, 'node').entities[0]?.trouble({ resource: 'hcv_token', version: null })).not.toBeNull()
})

describe("the view of an entity in Kong's shape", () => {
  it('has the fields and none of the credentials', () => {
    const entity = { ...hcv({ ...HOW_TO, host: 'localhost', ttl: 60, jwt: 'canary-jwt' }), description: 'd' }
    expect(right(listed(entity)).view).toEqual({
      name: 'hcv',
      prefix: 'hashicorp-vault',
      description: 'd',
      tags: [],
      config: {
        protocol: 'http',
        host: 'localhost',
        port: 8200,
        mount: 'secret',
        kv: 'v2',
        ssl_verify: true,
        ttl: 60,
        neg_ttl: 0,
        resurrect_ttl: 100_000_000,
        resurrect_deleted: false,
        base64_decode: false,
        auth_method: 'oauth2',
        jwt_role: 'demo',
        oauth2_token_endpoint: 'https://idp.example/oauth/token',
        oauth2_client_id: 'client',
        oauth2_audiences: 'https://idp.example/api/v2/',
      },
    })
  })

  it('and everything else that is printed of it shows no option that is a secret', () => {
    const secrets = Object.entries(LOGIN_OPTIONS as Readonly<Record<string, Setting>>)
      .filter(([name, { secret }]) => secret || name === 'oauth2_parameters')
      .map(([name]) => name)
    const config = Object.fromEntries(
      secrets.map((name) => [name, name === 'oauth2_parameters' ? '{"a":"c4n4ry"}' : 'c4n4ry'.repeat(3)]),
    )
    const entity = right(listed(hcv({ ...config, auth_method: 'userpass', userpass_username: 'ann' })))
    expect(inspect(entity, { depth: 12, showHidden: true })).not.toContain('c4n4ry')
    expect(entity.view.config).toMatchObject({ userpass_username: 'ann' })
  })
})

describe('what Lambda’s HTTP function knows of entities', () => {
  it('is what the one that asks knows, without logins', () => {
    const env = {
      ...listed(
        hcv({ ttl: 60, namespace: '/team/', mount: 'kv/' }),
        { name: 'aws', prefix: 'aws-eu', config: { neg_ttl: 9 } },
        { name: 'env', prefix: 'my-env', config: { prefix: 'x_', base64_decode: true } },
        hcv({ kv: 'v3' }, 'broken'),
      ),
      AWS_REGION: 'eu-west-1',
    }
    const asked = readEntities(env, 'lambda-sync')
    const known = knownEntities(env, 'lambda-http')
    const shown = ({ prefix, type, identity, rules, isBase64, isOwn }: (typeof known.entities)[number]) => ({
      prefix,
      type,
      identity,
      rules,
      isBase64,
      isOwn,
    })
    expect(known.entities).toHaveLength(3)
    expect(known.entities.map(shown)).toEqual(asked.entities.map(shown))
    expect(known.broken).toEqual(asked.broken)
  })
})

it('says nothing of any value, whatever is written, and is not crashed by it', () => {
  const CANARY = 'c4n4ry'
  const text = fc
    .tuple(fc.string({ unit: 'binary', maxLength: 6 }), fc.string({ maxLength: 6 }))
    .map(([before, after]) => before + CANARY + after)
  const value = fc.oneof(
    text,
    fc.constantFrom('https', 'http', '[', ':', 'v2', '60', 'off', `/${CANARY}`, '-----BEGIN'),
    fc.jsonValue(),
    fc.array(text, { maxLength: 2 }),
  )
  const fields = [
    'host',
    'protocol',
    'port',
    'mount',
    'kv',
    'namespace',
    'ttl',
    'region',
    'endpoint_url',
    'prefix',
    'ssl_verify',
    ...Object.keys(LOGIN_OPTIONS),
  ]
  /** What looks like a field is named. */
  const noName = text.map((each) => `-${each}`)
  const config = fc.dictionary(fc.oneof(fc.constantFrom(...fields), noName), value, { maxKeys: 12 })
  const methods = fc.constantFrom(...METHOD_NAMES)
  const vault = fc.record({
    name: fc.oneof(fc.constantFrom('hcv', 'hcv', 'aws', 'env', 'fs', 'gcp'), text),
    prefix: fc.oneof(
      fc.constantFrom('one', 'two'),
      text.map((each) => `-${each}`),
    ),
    config: fc.oneof(
      fc.tuple(config, methods).map(([own, auth_method]) => ({ ...own, auth_method })),
      fc.jsonValue(),
    ),
  })
  const document = fc.oneof(fc.array(vault, { maxLength: 3 }), fc.record({ vaults: fc.array(vault) }), fc.jsonValue())
  fc.assert(
    fc.property(
      document,
      fc.constantFrom('node' as const, 'workers' as const, 'lambda-sync' as const),
      (list, runtime) => {
        const { broken, problems, notices } = readEntities({ KEYRING_VAULTS: JSON.stringify(list) }, runtime)
        expect(JSON.stringify([broken, problems, notices]).toLowerCase()).not.toContain(CANARY)
      },
    ),
    { numRuns: 2000 },
  )
})
