/** Every login that a deployment may use, prepared in one OpenBao, with an identity provider, a cluster and moto beside it. */
import { SignJWT, exportPKCS8, exportSPKI, generateKeyPair } from 'jose'
import { awsVault } from './aws-vault.ts'
import type { Pair } from './certificates.ts'
import { gateway } from './gateway.ts'
import type { IdentityProvider } from './identity-provider.ts'
import { RESOURCE, SECRET, startIdentityProvider } from './identity-provider.ts'
import type { Cluster } from './kubernetes.ts'
import { startCluster } from './kubernetes.ts'
import type { LoginOptions } from './logins.ts'
import type { Moto } from './moto.ts'
import { keyString } from './syncing.ts'
import type { TlsVault } from './tls-vault.ts'
import type { VaultClient } from './vault.ts'
import { vaultClient } from './vault.ts'

/** What one deployment is given. */
export interface Given {
  readonly options: LoginOptions
  /** A client certificate for Vault over TLS; without one Vault is asked over plain HTTP. */
  readonly presents?: Pair
}

/** `wrong` is refused. What works once is made anew by each call. */
interface LoginCase {
  readonly right: () => Given | Promise<Given>
  readonly wrong: () => Given | Promise<Given>
}

type LoginCases = Readonly<Record<string, LoginCase>>

export interface PreparedLogins {
  readonly cases: LoginCases
  readonly provider: IdentityProvider
  /** Of OpenBao over plain HTTP. In front of it logins with aws_iam are answered, for which it has no plugin. */
  readonly address: string
  close(): Promise<void>
}

const ROLE = { token_policies: ['reads'], token_ttl: '1h' }
const READS = { policy: 'path "secret/*" { capabilities = ["read"] }' }

export async function prepareLogins(vault: TlsVault, moto: Moto | null): Promise<PreparedLogins> {
  const address = vault.address.plain
  const client = (namespace = '') => vaultClient(address, vault.token, 'secret', namespace)
  await prepareSecret(client())
  await post(client(), 'sys/policies/acl/reads', READS)
  const token = await client().tokenFor(READS.policy)
  const aws = awsVault('', () => token)
  const [provider, cluster, front] = await Promise.all([
    startIdentityProvider(),
    startCluster(),
    gateway(address, (request) => (request.url.endsWith('/auth/aws/login') ? aws.answer(request) : fetch(request))),
  ])
  const made = await Promise.all([
    userpass(client),
    approle(client()),
    cert(client(), vault),
    kubernetes(client(), cluster),
    jwt(client()),
    oauth2(client(), provider),
  ])
  const cases = Object.assign({}, ...made, moto && awsIam(moto)) as LoginCases
  const close = async () => {
    await Promise.all([front.close(), cluster.close(), provider.close()])
  }
  return { cases, provider, address: front.url, close }
}

/** @returns the answer. */
async function post(client: VaultClient, path: string, body: object = {}, headers = {}): Promise<unknown> {
  const answer = await client.request('POST', path, { body, headers })
  if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

async function prepareSecret(client: VaultClient): Promise<void> {
  await (await client.mount('secret')).write('keyring', { id: 'k1', key: keyString('k1') })
}

/** In three namespaces: none, its own, and one above that of the keyring, where a token may be used too. */
async function userpass(client: (namespace?: string) => VaultClient): Promise<LoginCases> {
  const [above, below] = [client('team'), client('team/keys')]
  await post(client(), 'sys/namespaces/team')
  await post(above, 'sys/namespaces/keys')
  await Promise.all([above, below].map(prepareSecret))
  await post(above, 'sys/policies/acl/reads', { policy: `${READS.policy}\n${READS.policy.replace('"', '"keys/')}` })
  for (const each of [client(), above]) {
    await post(each, 'sys/auth/userpass', { type: 'userpass' })
    await post(each, 'auth/userpass/users/edge', { password: 'right', ...ROLE })
  }
  const options = { auth_method: 'userpass', userpass_username: 'edge', userpass_password: 'right' }
  const given = (more: LoginOptions) => () => ({ options: { ...options, ...more } })
  const keys = { namespace: 'team/keys', login_namespace: 'team' }
  return {
    userpass: { right: given({}), wrong: given({ userpass_password: 'wrong' }) },
    'userpass, in a namespace': { right: given({ namespace: 'team' }), wrong: given({ namespace: 'nowhere' }) },
    'userpass, in a namespace of its own': {
      right: given(keys),
      wrong: given({ ...keys, login_namespace: 'team/keys' }),
    },
  }
}

async function approle(client: VaultClient): Promise<LoginCases> {
  const at = 'auth/approle/role/edge'
  await post(client, 'sys/auth/approle', { type: 'approle' })
  await post(client, at, ROLE)
  const { data } = (await client.request('GET', `${at}/role-id`)).body as { data: { role_id: string } }
  const options = (secretId: string) => ({
    auth_method: 'approle',
    approle_role_id: data.role_id,
    approle_secret_id: secretId,
  })
  const wrapped = async (unwrap: boolean): Promise<Given> => {
    const answer = await post(client, `${at}/secret-id`, {}, { 'x-vault-wrap-ttl': '300s' })
    const { token } = (answer as { wrap_info: { token: string } }).wrap_info
    if (unwrap) await client.request('POST', 'sys/wrapping/unwrap', { token })
    return { options: { ...options(token), approle_response_wrapping: 'on', approle_role_name: 'edge' } }
  }
  const secretId = async () =>
    ((await post(client, `${at}/secret-id`)) as { data: { secret_id: string } }).data.secret_id
  return {
    approle: {
      right: async () => ({ options: options(await secretId()) }),
      wrong: () => ({ options: options('wrong') }),
    },
    'approle, wrapped': { right: () => wrapped(false), wrong: () => wrapped(true) },
  }
}

async function cert(client: VaultClient, { root }: TlsVault): Promise<LoginCases> {
  const role = { certificate: root.cert, allowed_common_names: ['edge'], ...ROLE }
  await post(client, 'sys/auth/cert', { type: 'cert' })
  await post(client, 'auth/cert/certs/edge', role)
  const options = { auth_method: 'cert', cert_auth_role_name: 'edge' }
  const as = (name: string) => async () => ({ options, presents: await root.issue(name) })
  return { cert: { right: as('edge'), wrong: as('somebody else') } }
}

async function kubernetes(client: VaultClient, cluster: Cluster): Promise<LoginCases> {
  const role = { bound_service_account_names: ['edge'], bound_service_account_namespaces: ['shop'], ...ROLE }
  await post(client, 'sys/auth/kubernetes', { type: 'kubernetes' })
  await post(client, 'auth/kubernetes/config', cluster.config)
  await post(client, 'auth/kubernetes/role/edge', { ...role, audience: 'vault' })
  const as = (name: string) => async () => ({
    options: { auth_method: 'kubernetes', kube_role: 'edge', kube_api_token: await cluster.account(name) },
  })
  return { kubernetes: { right: as('edge'), wrong: as('somebody-else') } }
}

async function jwt(client: VaultClient): Promise<LoginCases> {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  await post(client, 'sys/auth/jwt', { type: 'jwt' })
  await post(client, 'auth/jwt/config', { jwt_validation_pubkeys: [await exportSPKI(publicKey)] })
  await post(client, 'auth/jwt/role/edge', {
    role_type: 'jwt',
    user_claim: 'sub',
    bound_audiences: ['vault'],
    ...ROLE,
  })
  const to = (audience: string) => async () => {
    const claims = new SignJWT({ sub: 'edge', aud: audience }).setIssuedAt().setExpirationTime('5m')
    const signed = await claims.setProtectedHeader({ alg: 'ES256' }).sign(privateKey)
    return { options: { auth_method: 'jwt', jwt_role: 'edge', jwt: signed } }
  }
  return { jwt: { right: to('vault'), wrong: to('somebody else') } }
}

async function oauth2(client: VaultClient, provider: IdentityProvider): Promise<LoginCases> {
  const clients = { client_id: ['basic:client', 'post', 'es256'], scope: 'read' }
  await post(client, 'sys/auth/idp', { type: 'jwt' })
  await post(client, 'auth/idp/config', { jwks_url: provider.jwksUrl, bound_issuer: provider.issuer })
  await post(client, 'auth/idp/role/edge', {
    role_type: 'jwt',
    user_claim: 'client_id',
    bound_audiences: ['vault'],
    bound_claims: clients,
    ...ROLE,
  })
  const given = (id: string, more: LoginOptions) => () => ({
    options: {
      auth_method: 'oauth2',
      jwt_auth_path: 'idp',
      jwt_role: 'edge',
      oauth2_issuer: provider.issuer,
      oauth2_client_id: id,
      oauth2_resource: RESOURCE,
      oauth2_scopes: 'read',
      ...more,
    },
  })
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const foreign = await exportPKCS8(privateKey)
  const posts = { oauth2_client_auth: 'client_secret_post', oauth2_client_secret: SECRET }
  return {
    'oauth2, client_secret_basic': {
      right: given('basic:client', { oauth2_client_secret: SECRET }),
      wrong: given('basic:client', { oauth2_client_secret: 'wrong' }),
    },
    'oauth2, client_secret_post': {
      right: given('post', posts),
      wrong: given('post', { ...posts, oauth2_scopes: 'write' }),
    },
    'oauth2, private_key_jwt': {
      right: given('es256', { oauth2_private_key: provider.keys.es256 }),
      wrong: given('es256', { oauth2_private_key: foreign }),
    },
  }
}

function awsIam({ address, account }: Moto): LoginCases {
  const given = (secret: string) => () => ({
    options: {
      auth_method: 'aws_iam',
      aws_auth_role: 'edge',
      aws_auth_region: 'eu-west-1',
      aws_sts_endpoint_url: address,
      aws_access_key_id: account.id,
      aws_secret_access_key: secret,
    },
  })
  return { aws_iam: { right: given(account.secret), wrong: given('wrong') } }
}
