/** The settings of the logins: what each needs, what does not fit together, what is not used. */
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import type { Runtime } from '../../src/config/setting.ts'
import type { LoginSettings } from '../../src/core/login-settings.ts'
import { Secret } from '../../src/core/secret.ts'

type Options = Readonly<Record<string, string>>

const OTHERS = {
  KEYRING_VAULT_HOST: 'https://vault.example:8200',
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_WRAPPING_KEYS: `main:${Buffer.alloc(32, 7).toString('base64')}`,
}
const API = { KEYRING_API_TOKENS: JSON.stringify([{ name: 'ci', sha256: 'ab'.repeat(32), grants: ['read'] }]) }
const PLACES = { node: API, workers: API, 'lambda-sync': { KEYRING_TABLE: 'edge-keyring' }, 'lambda-http': {} }

/** @param options as `approle_role_id`; names in capitals stay as they are. */
function parse(options: Options, runtime: Runtime = 'node', prefix = 'KEYRING_VAULT_') {
  const named = Object.entries(options).map(([name, value]) => [
    name === name.toUpperCase() ? name : prefix + name.toUpperCase(),
    value,
  ])
  return parseConfig({ ...OTHERS, ...PLACES[runtime], ...Object.fromEntries(named) }, runtime)
}

function problems(options: Options, runtime: Runtime = 'node'): string[] {
  const parsed = parse(options, runtime)
  return parsed.ok
    ? []
    : parsed.problems.map(({ name, message }) => `${name.replace('KEYRING_VAULT_', '')}: ${message}`)
}

function settled(options: Options, runtime: Runtime = 'node') {
  const parsed = parse(options, runtime)
  if (!parsed.ok || !parsed.config?.vault) throw new Error(JSON.stringify(parsed))
  return { vault: parsed.config.vault, auth: shown(parsed.config.vault.auth), notices: parsed.notices }
}

/** With its secrets, so that they can be compared. */
const shown = (auth: LoginSettings): unknown => reveal(auth)

function reveal(value: unknown): unknown {
  if (value instanceof Secret) return `secret ${value.reveal()}`
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, reveal(each)]))
}

const APPROLE = { auth_method: 'approle', approle_role_id: 'r', approle_secret_id: 's' }
const OAUTH2 = {
  auth_method: 'oauth2',
  oauth2_token_endpoint: 'https://idp.example/token',
  oauth2_client_id: 'c',
  oauth2_client_secret: 's',
}
const AWS = {
  auth_method: 'aws_iam',
  aws_auth_region: 'eu-west-1',
  aws_access_key_id: 'AKIATESTTESTTESTTEST',
  aws_secret_access_key: 's/e+c',
}
const PEM = '-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----'

describe('a login', () => {
  it('that is complete gives what its file takes, with defaults', () => {
    expect(settled({ auth_method: 'kubernetes' }).auth).toEqual({
      method: 'kubernetes',
      mount: 'kubernetes',
      role: 'default',
      jwt: { file: '/run/secrets/kubernetes.io/serviceaccount/token' },
    })
    expect(settled(APPROLE).auth).toEqual({
      method: 'approle',
      mount: 'approle',
      roleId: 'secret r',
      secretId: 'secret s',
      wrapping: false,
      roleName: '',
    })
    expect(settled({ auth_method: 'cert', cert_auth_cert: '/c.pem', cert_auth_cert_key: PEM }).auth).toEqual({
      method: 'cert',
      mount: 'cert',
      role: '',
      certificate: { cert: { file: '/c.pem' }, key: `secret ${PEM}` },
    })
    expect(settled({ auth_method: 'jwt', jwt: 'a.b.c' }).auth).toEqual({
      method: 'jwt',
      mount: 'jwt',
      role: '',
      jwt: 'secret a.b.c',
    })
    expect(settled({ auth_method: 'userpass', userpass_username: 'ann', userpass_password: 'p w' }).auth).toEqual({
      method: 'userpass',
      mount: 'userpass',
      username: 'ann',
      password: 'secret p w',
    })
    expect(settled(OAUTH2).auth).toEqual({
      method: 'oauth2',
      mount: 'jwt',
      role: '',
      issuer: null,
      tokenEndpoint: 'https://idp.example/token',
      authorities: null,
      clientId: 'c',
      client: { auth: 'client_secret_basic', secret: 'secret s' },
      scopes: [],
      audiences: [],
      resources: [],
      parameters: {},
    })
    expect(settled(AWS).auth).toEqual({
      method: 'aws_iam',
      mount: 'aws',
      role: '',
      region: 'eu-west-1',
      stsEndpoint: 'https://sts.eu-west-1.amazonaws.com/',
      serverId: '',
      credentials: {
        from: 'keys',
        accessKeyId: 'AKIATESTTESTTESTTEST',
        secretAccessKey: 'secret s/e+c',
        sessionToken: null,
      },
      assume: null,
    })
  })

  it.each([
    ['token', ['TOKEN: is required: a Vault token that may read the secret']],
    ['approle', ['APPROLE_ROLE_ID: is required: the role id']],
    [
      'cert',
      [
        'CERT_AUTH_CERT: is required: the text in PEM, or the path of its file',
        'CERT_AUTH_CERT_KEY: is required: the text in PEM, or the path of its file',
      ],
    ],
    ['jwt', ['JWT: is required, or KEYRING_VAULT_JWT_FILE: a JWT, or the options oauth2_* to get one']],
    [
      'oauth2',
      [
        'OAUTH2_CLIENT_ID: is required: the id of the client',
        'OAUTH2_TOKEN_ENDPOINT: is required, or KEYRING_VAULT_OAUTH2_ISSUER: where tokens are issued',
        'OAUTH2_CLIENT_SECRET: is required, or KEYRING_VAULT_OAUTH2_PRIVATE_KEY: the secret of the client',
      ],
    ],
    ['aws_iam', ['AWS_AUTH_REGION: is required: the region of STS, such as eu-west-1']],
    [
      'userpass',
      ['USERPASS_USERNAME: is required: the name of the user', 'USERPASS_PASSWORD: is required: the password'],
    ],
  ])('says everything that is missing at once: %s', (auth_method, expected) => {
    expect(problems({ auth_method })).toEqual(expected)
  })

  it('says what is missing beside what is wrong', () => {
    expect(problems({ auth_method: 'jwt', jwt_role: 'a\u0000', jwt_auth_path: '..' })).toEqual([
      expect.stringMatching(/^JWT_AUTH_PATH: must be segments/),
      'JWT_ROLE: must be a text without control characters',
      'JWT: is required, or KEYRING_VAULT_JWT_FILE: a JWT, or the options oauth2_* to get one',
    ])
  })

  it('by AppRole may need no secret id, which is noted; with wrapping it has one', () => {
    const { approle_secret_id: _given, ...alone } = APPROLE
    const { auth, notices } = settled(alone)
    expect(auth).toMatchObject({ method: 'approle', roleId: 'secret r', secretId: null })
    expect(notices).toEqual([
      'KEYRING_VAULT_APPROLE_SECRET_ID is not set: the role must need none (bind_secret_id=false).',
    ])
    expect(settled(alone, 'workers').auth).toMatchObject({ secretId: null })
    expect(problems({ ...alone, approle_response_wrapping: 'on' })).toEqual([
      'APPROLE_SECRET_ID: is required, or KEYRING_VAULT_APPROLE_SECRET_ID_FILE: the wrapping token',
    ])
    expect(problems({ ...alone, approle_response_wrapping: 'on' }, 'workers')).toEqual([
      'APPROLE_SECRET_ID: is required: the wrapping token',
    ])
  })

  it('takes a value or a file, never both', () => {
    expect(problems({ ...APPROLE, approle_secret_id_file: '/s' })).toEqual([
      'APPROLE_SECRET_ID: is set beside KEYRING_VAULT_APPROLE_SECRET_ID_FILE: set one of the two',
    ])
    expect(problems({ auth_method: 'jwt', jwt: 'a.b.c', jwt_file: '/j' })).toHaveLength(1)
    expect(problems({ auth_method: 'kubernetes', kube_api_token: 'x', kube_api_token_file: '/t' })).toHaveLength(1)
  })

  it('trims what is given and the slashes around its mount', () => {
    const auth = settled({ ...APPROLE, approle_role_id: ' r\n', approle_auth_path: '/team/approle/' }).auth
    expect(auth).toMatchObject({ mount: 'team/approle', roleId: 'secret r' })
    for (const aws_login_path of ['/v1/auth/team/aws/login', 'auth/team/aws', 'team/aws', '/team/aws/'])
      expect(settled({ ...AWS, aws_login_path }).auth).toMatchObject({ mount: 'team/aws' })
  })

  it('has a namespace of its own only when it is set', () => {
    const namespaces = (options: Options) => {
      const { namespace, loginNamespace } = settled({ token: 't', namespace: 'team', ...options }).vault
      return [namespace, loginNamespace]
    }
    expect(namespaces({})).toEqual(['team', 'team'])
    expect(namespaces({ login_namespace: '/admin/' })).toEqual(['team', 'admin'])
    expect(namespaces({ login_namespace: '/' })).toEqual(['team', ''])
  })

  it('does not use the options of another one, and says so; what others read is left alone', () => {
    expect(settled({ ...APPROLE, token: 't', kube_role: 'k' }).notices).toEqual([
      'KEYRING_VAULT_TOKEN is not used here: the login is approle.',
      'KEYRING_VAULT_KUBE_ROLE is not used here: the login is approle.',
    ])
    expect(settled({ ...APPROLE, VAULT_TOKEN: 't', AWS_REGION: 'elsewhere' }).notices).toEqual([])
  })

  it('with a wrapping token of any role gives a warning', () => {
    const wrapping = { ...APPROLE, approle_response_wrapping: 'on' }
    expect(settled(wrapping).notices).toEqual([
      expect.stringMatching(/^WARNING: KEYRING_VAULT_APPROLE_ROLE_NAME is not/),
    ])
    expect(settled({ ...wrapping, approle_role_name: 'app' }).notices).toEqual([])
  })

  it.each(['aws_ec2', 'gcp_iam', 'gcp_gce', 'azure'])('by %s comes later, and so do its options', (auth_method) => {
    expect(problems({ auth_method })).toEqual([expect.stringMatching(/^AUTH_METHOD: .*comes with a later release$/)])
    expect(problems({ token: 't', gcp_auth_role: 'r', azure_login_path: 'p', aws_auth_nonce: 'n' })).toEqual([
      'AWS_AUTH_NONCE: is not a setting yet: its login comes with a later release',
      'AZURE_LOGIN_PATH: is not a setting yet: its login comes with a later release',
      'GCP_AUTH_ROLE: is not a setting yet: its login comes with a later release',
    ])
  })

  it('is not read where Vault is never asked', () => {
    const parsed = parseConfig(
      {
        KEYRING_WRAPPING_KEYS: OTHERS.KEYRING_WRAPPING_KEYS,
        ...API,
        KEYRING_TABLE: 'edge-keyring',
        KEYRING_SYNC_FUNCTION: 'f',
        KEYRING_VAULT_APPROLE_ROLE_ID: 'r',
        KONG_VAULT_HCV_TOKEN: 't',
      },
      'lambda-http',
    )
    expect(parsed).toMatchObject({
      problems: [{ name: 'KEYRING_VAULT_APPROLE_ROLE_ID' }],
    })
  })
})

describe('a JWT of the platform', () => {
  const from = (jwt_source: string, more: Options = {}) => ({
    auth_method: 'jwt',
    jwt_source,
    jwt_audience: 'https://vault.example/a b',
    ...more,
  })
  const place = (options: Options) => (settled(options).auth as { jwt: object }).jwt
  const GITHUB = {
    ACTIONS_ID_TOKEN_REQUEST_URL: 'https://actions.example/idtoken?api-version=2.0',
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'job',
  }
  const AUDIENCE = 'https%3A%2F%2Fvault.example%2Fa+b'

  it('comes from where the platform has it, with the audience asked for', () => {
    expect(place(from('google'))).toEqual({
      url: `http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/identity?audience=${AUDIENCE}&format=full`,
      header: { name: 'metadata-flavor', value: 'secret Google' },
      field: null,
    })
    expect(place(from('azure'))).toEqual({
      url: `http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=${AUDIENCE}`,
      header: { name: 'metadata', value: 'secret true' },
      field: 'access_token',
    })
    expect(place(from('github', GITHUB))).toEqual({
      url: `https://actions.example/idtoken?api-version=2.0&audience=${AUDIENCE}`,
      header: { name: 'authorization', value: 'secret bearer job' },
      field: 'value',
    })
  })

  it('comes on Azure from the endpoint that is announced, and of the identity that is chosen', () => {
    const announced = { IDENTITY_ENDPOINT: 'http://169.254.130.2:8081/msi/token', IDENTITY_HEADER: 'h' }
    expect(place(from('azure', { ...announced, AZURE_CLIENT_ID: 'c' }))).toEqual({
      url: `http://169.254.130.2:8081/msi/token?api-version=2019-08-01&resource=${AUDIENCE}&client_id=c`,
      header: { name: 'x-identity-header', value: 'secret h' },
      field: 'access_token',
    })
    expect(place(from('azure', { IDENTITY_ENDPOINT: announced.IDENTITY_ENDPOINT }))).toMatchObject({
      header: { name: 'metadata' },
    })
  })

  it.each([
    ['an endpoint that is not announced', 'github', {}],
    ['half of one', 'github', { ACTIONS_ID_TOKEN_REQUEST_URL: 'https://actions.example' }],
    ['no URL', 'github', { ...GITHUB, ACTIONS_ID_TOKEN_REQUEST_URL: 'actions' }],
    ['plain http to somewhere else', 'github', { ...GITHUB, ACTIONS_ID_TOKEN_REQUEST_URL: 'http://actions.example' }],
    ['a token that no header can have', 'github', { ...GITHUB, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'a\nb' }],
    ['plain http to another host of metadata', 'google', { GCE_METADATA_HOST: 'metadata.example' }],
    ['another protocol', 'azure', { IDENTITY_ENDPOINT: 'ftp://127.0.0.1', IDENTITY_HEADER: 'h' }],
  ])('is refused with %s', (_name, source, env: Options) => {
    const hint = source === 'github' ? ': the job needs the permission id-token: write' : ''
    expect(problems(from(source, env))).toEqual([`JWT_SOURCE: names ${source}, which gives no identity here${hint}`])
  })

  it('needs an audience, and the platform a name that is known; an audience alone is for nothing', () => {
    expect(problems({ auth_method: 'jwt', jwt_source: 'google' })).toEqual([
      'JWT_AUDIENCE: is required beside KEYRING_VAULT_JWT_SOURCE: for whom the JWT is',
    ])
    expect(problems({ auth_method: 'jwt', jwt_source: 'github' })).toHaveLength(2)
    expect(problems(from('aws'))).toEqual(['JWT_SOURCE: must be one of azure, github, google'])
    expect(problems({ auth_method: 'jwt', jwt: 'a.b.c', jwt_audience: 'vault' })).toEqual([
      'JWT_AUDIENCE: is for a JWT of the platform: set KEYRING_VAULT_JWT_SOURCE',
    ])
  })

  it('is never a guess beside another JWT or a client', () => {
    for (const [name, text] of Object.entries({ jwt: 'a.b.c', jwt_file: '/j', oauth2_client_id: 'c' }))
      expect(problems(from('google', { [name]: text }))).toEqual([
        `JWT_SOURCE: is set beside KEYRING_VAULT_${name.toUpperCase()}: set one of the two`,
      ])
  })

  it('is refused with the way out where the platform has no such identity', () => {
    expect(problems(from('google'), 'workers')).toEqual([
      'JWT_SOURCE: cannot be used on Workers, which have no identity: set KEYRING_VAULT_JWT, or an OAuth2 client',
    ])
    expect(problems(from('google'), 'lambda-sync')).toEqual([
      'JWT_SOURCE: cannot be used on Lambda: its identity is one of AWS, for KEYRING_VAULT_AUTH_METHOD aws_iam',
    ])
  })
})

describe('jwt and oauth2', () => {
  it('mean the same with a client, and share role and mount', () => {
    const more = { jwt_auth_path: 'idp', jwt_role: 'demo' }
    const { auth } = settled({ ...OAUTH2, ...more })
    expect(auth).toMatchObject({ method: 'oauth2', mount: 'idp', role: 'demo' })
    expect(settled({ ...OAUTH2, ...more, auth_method: 'jwt' }).auth).toEqual(auth)
    expect(settled({ ...OAUTH2, jwt_auth_path: 'idp', oauth2_role_name: 'demo' }).auth).toEqual(auth)
    expect(problems({ ...OAUTH2, jwt_role: 'demo', oauth2_role_name: 'other' })).toEqual([
      'JWT_ROLE: differs from KEYRING_VAULT_OAUTH2_ROLE_NAME: set one of the two',
    ])
  })

  it('do not guess between a JWT and a client', () => {
    expect(problems({ ...OAUTH2, auth_method: 'jwt', jwt: 'a.b.c' })).toEqual([
      'JWT: is set beside KEYRING_VAULT_OAUTH2_CLIENT_ID: set one of the two',
    ])
  })

  it('take lists, and parameters that are none of the protocol', () => {
    const more = {
      oauth2_scopes: 'a b, c',
      oauth2_audiences: 'https://idp.example/api/v2/',
      oauth2_resource: 'urn:a,urn:b',
      oauth2_parameters: '{"tenant":"t"}',
    }
    expect(settled({ ...OAUTH2, ...more }).auth).toMatchObject({
      scopes: ['a', 'b', 'c'],
      audiences: ['https://idp.example/api/v2/'],
      resources: ['urn:a', 'urn:b'],
      parameters: { tenant: 't' },
    })
    for (const oauth2_parameters of ['x', '[]', '{"a":1}', '{"client_secret":"x"}', '{"grant_type":"x"}'])
      expect(problems({ ...OAUTH2, oauth2_parameters })).toHaveLength(1)
  })

  it('know how a client authenticates by what it has', () => {
    const { oauth2_client_secret: _secret, ...open } = OAUTH2
    const client = (options: Options) => settled({ ...open, ...options }).auth
    expect(client({ oauth2_private_key: PEM })).toMatchObject({ client: { auth: 'private_key_jwt' } })
    expect(client({ oauth2_private_key: '{"kty":"EC"}' })).toMatchObject({ client: { key: 'secret {"kty":"EC"}' } })
    expect(client({ oauth2_private_key: '/key.pem' })).toMatchObject({ client: { key: { file: '/key.pem' } } })
    const post = { oauth2_client_secret: 's', oauth2_client_auth: 'client_secret_post' }
    expect(client(post)).toMatchObject({ client: { auth: 'client_secret_post' } })
    expect(problems({ ...OAUTH2, oauth2_private_key: PEM })).toHaveLength(1)
    expect(problems({ ...OAUTH2, oauth2_client_auth: 'private_key_jwt' })).toHaveLength(1)
    expect(problems({ ...open, oauth2_private_key: PEM, oauth2_client_auth: 'client_secret_post' })).toHaveLength(1)
    expect(problems({ ...open, oauth2_private_key: '-----BEGIN RSA PRIVATE KEY-----' })).toEqual([
      'OAUTH2_PRIVATE_KEY: has no private key in PEM',
    ])
  })

  it.each([
    'idp.example',
    'http://idp.example/token',
    'https://u:p@idp.example/',
    'https://idp.example/?a',
    'ftp://idp',
  ])('refuse %s as a token endpoint or issuer', (url) => {
    expect(problems({ ...OAUTH2, oauth2_token_endpoint: url })).toHaveLength(1)
    expect(problems({ ...OAUTH2, oauth2_issuer: url })).toHaveLength(1)
  })

  it('take plain http on loopback', () => {
    expect(problems({ ...OAUTH2, oauth2_token_endpoint: 'http://127.0.0.1:3000/token' })).toEqual([])
  })
})

describe('aws_iam', () => {
  const { aws_access_key_id: _id, aws_secret_access_key: _secret, ...bare } = AWS
  const credentials = (env: Options, runtime: Runtime = 'node') =>
    (settled({ ...bare, ...env }, runtime).auth as { credentials: unknown }).credentials

  it('takes the keys that the platform has put into the environment', () => {
    const pair = { AWS_ACCESS_KEY_ID: 'ASIA', AWS_SECRET_ACCESS_KEY: 'k' }
    expect(credentials({ ...pair, AWS_SESSION_TOKEN: 't' }, 'lambda-sync')).toEqual({
      from: 'keys',
      accessKeyId: 'ASIA',
      secretAccessKey: 'secret k',
      sessionToken: 'secret t',
    })
    expect(credentials(pair, 'workers')).toMatchObject({ sessionToken: null })
  })

  it('takes the role of the service account before the container and the instance, where there are files', () => {
    const role = { AWS_WEB_IDENTITY_TOKEN_FILE: '/token', AWS_ROLE_ARN: 'arn:aws:iam::1:role/pod' }
    const full = { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://169.254.170.23/v1/credentials' }
    const expected = {
      from: 'web-identity',
      arn: role.AWS_ROLE_ARN,
      session: 'edge-keyring',
      token: { file: '/token' },
    }
    expect(credentials({ ...role, ...full })).toEqual(expected)
    expect(credentials({ ...role, AWS_ROLE_SESSION_NAME: 'pod' })).toMatchObject({ session: 'pod' })
    expect(credentials({ AWS_ROLE_ARN: role.AWS_ROLE_ARN })).toMatchObject({ from: 'imds' })
    expect(problems({ ...bare, ...role }, 'workers')).toHaveLength(1)
  })

  it('asks the container, then the instance', () => {
    const relative = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials/x' }
    expect(credentials(relative)).toEqual({
      from: 'container',
      url: 'http://169.254.170.2/v2/credentials/x',
      authorization: null,
    })
    const full = { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://169.254.170.23/v1/credentials' }
    expect(credentials({ ...full, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: '/t' })).toMatchObject({
      url: 'http://169.254.170.23/v1/credentials',
      authorization: { file: '/t' },
    })
    expect(credentials({ ...full, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'x' })).toMatchObject({
      authorization: 'secret x',
    })
    expect(credentials({})).toEqual({ from: 'imds', endpoint: 'http://169.254.169.254' })
    expect(credentials({ AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://evil.example/' })).toMatchObject({ from: 'imds' })
  })

  it('is refused where there is no identity, and with half a pair', () => {
    const none = [expect.stringMatching(/^AWS_ACCESS_KEY_ID: is required, with KEYRING_VAULT_AWS_SECRET_ACCESS_KEY: /)]
    expect(problems(bare, 'workers')).toEqual(none)
    expect(problems({ ...bare, AWS_EC2_METADATA_DISABLED: 'true' })).toEqual(none)
    expect(problems({ ...bare, aws_access_key_id: AWS.aws_access_key_id })).toEqual([
      'AWS_SECRET_ACCESS_KEY: is required beside KEYRING_VAULT_AWS_ACCESS_KEY_ID',
    ])
  })

  it('takes the region of the platform, an endpoint, a role to assume and an id of the server', () => {
    const { aws_auth_region: _region, ...open } = AWS
    expect(settled({ ...open, AWS_REGION: 'cn-north-1' }, 'lambda-sync').auth).toMatchObject({
      region: 'cn-north-1',
      stsEndpoint: 'https://sts.cn-north-1.amazonaws.com.cn/',
    })
    const more = {
      aws_sts_endpoint_url: 'http://127.0.0.1:5000',
      aws_assume_role_arn: 'arn:aws:iam::123456789012:role/edge/login',
      aws_role_session_name: 'session',
      aws_iam_server_id: 'vault.example',
    }
    expect(settled({ ...AWS, ...more }).auth).toMatchObject({
      stsEndpoint: 'http://127.0.0.1:5000/',
      assume: { arn: more.aws_assume_role_arn, session: 'session' },
      serverId: 'vault.example',
    })
    expect(problems({ ...AWS, aws_auth_region: 'evil.example/' })).toHaveLength(1)
    expect(problems({ ...AWS, aws_assume_role_arn: 'role/x' })).toHaveLength(1)
    expect(problems({ ...AWS, aws_access_key_id: 'x' })).toHaveLength(1)
  })
})

describe('on Workers', () => {
  it('there are no files: each is refused with the way out', () => {
    expect(problems({ auth_method: 'kubernetes' }, 'workers')).toEqual([
      'KUBE_API_TOKEN: is required: the JWT of the service account',
    ])
    expect(problems({ auth_method: 'kubernetes', kube_api_token_file: '/t' }, 'workers')).toEqual([
      'KUBE_API_TOKEN_FILE: cannot be used on Workers, which have no files: set KEYRING_VAULT_KUBE_API_TOKEN',
    ])
    const { approle_secret_id: _secret, ...approle } = APPROLE
    expect(problems({ ...approle, approle_secret_id_file: '/s' }, 'workers')).toHaveLength(1)
    expect(problems({ auth_method: 'jwt', jwt_file: '/j' }, 'workers')).toHaveLength(1)
    const { oauth2_client_secret: _client, ...oauth2 } = OAUTH2
    expect(problems({ ...oauth2, oauth2_private_key: '/k' }, 'workers')).toEqual([
      'OAUTH2_PRIVATE_KEY: must be the text itself on Workers, which have no files',
    ])
  })

  it('a certificate is bound, not given', () => {
    const given = problems({ auth_method: 'cert', cert_auth_cert: PEM, cert_auth_cert_key: PEM }, 'workers')
    expect(given).toEqual(
      expect.arrayContaining(
        ['CERT_AUTH_CERT', 'CERT_AUTH_CERT_KEY'].map(
          (name) => `${name}: cannot be used on Workers: upload the certificate and bind it as an mTLS certificate`,
        ),
      ),
    )
  })
})

describe("Kong's Vault entity", () => {
  it.each(['on', 'off'])(
    'is nothing to the login of the keyring, whatever is written there, with the keyring %s',
    (on) => {
      const wrong = {
        KONG_VAULT_HCV_HOST: ':x',
        KONG_VAULT_HCV_PROTOCOL: 'http',
        KONG_VAULT_HCV_KV: 'v3',
        KONG_VAULT_HCV_SSL_VERIFY: 'off',
        KONG_VAULT_HCV_AUTH_METHOD: 'gcp_iam',
        KONG_VAULT_HCV_KUBE_ROL: 'x',
      }
      for (const runtime of ['node', 'workers', 'lambda-sync'] as const) {
        const bare = parse({ token: 'own', KEYRING_ENABLED: on }, runtime)
        expect(bare.ok).toBe(true)
        expect(parse({ token: 'own', KEYRING_ENABLED: on, ...wrong }, runtime)).toEqual(bare)
      }
    },
  )
})
