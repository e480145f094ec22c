/** What the settings say of Vault: the way there, what presents itself on it, and which secrets are keyrings. */
import type { CredentialSource, LoginSettings } from '../core/login-settings.ts'
import type { SourceId } from '../core/ports.ts'
import { Secret } from '../core/secret.ts'
import type { LoginOption } from './login-methods.ts'
import type { ReadLogin } from './login.ts'
import type { Problem, Runtime, Texts } from './setting.ts'
import type { SettingName, Settings } from './settings.ts'

interface SecretSetting {
  readonly keyring: string
  readonly kv: 'v1' | 'v2'
  readonly mount: string
  readonly path: string
}

/** The texts are PEM, or the paths of PEM files. All are secrets, because a key may stand in each. */
export interface VaultTls {
  /** One or more, separated by commas; `system` = those of the runtime and of the operating system. `null` = those of the runtime. */
  readonly authorities: Secret | null
  /** A certificate comes with its key or not at all. */
  readonly client: { readonly cert: Secret; readonly key: Secret } | null
  /** `null` = the host of the address. */
  readonly serverName: string | null
  /** The settings that they were written in, for people. */
  readonly names: { readonly authorities: string; readonly cert: string; readonly key: string }
}

export interface VaultSettings {
  /** Scheme, host, port and base path, without a slash at the end. */
  readonly address: string
  /** Something is set in it only where the platform has a TLS of its own. */
  readonly tls: VaultTls
  /** The same for the identity provider of the login; `null` = nothing is set. */
  readonly providerTls: VaultTls | null
  /** They are sent along to Vault, and to Vault alone. */
  readonly headers: Readonly<Record<string, Secret>>
  /** '' = none. */
  readonly namespace: string
  readonly timeoutMs: number
  /** The namespace of logins; '' = none. */
  readonly loginNamespace: string
  readonly auth: LoginSettings
  /** The login that rotations write with. `null` = the same. */
  readonly rotationLogin: { readonly auth: LoginSettings; readonly loginNamespace: string } | null
  /** `default` first. */
  readonly secrets: readonly SecretSetting[]
}

/** What others push, and under which identity. */
export type PushedSource = SourceId & { readonly keyring: string }

/** What the environment says of it. */
export interface VaultTexts {
  readonly runtime: Runtime
  readonly texts: Texts
  /** The texts of the login to the keyring's own Vault. */
  readonly login: Texts
}

/** The values of its settings, right where there are no problems. */
export interface ReadVault {
  readonly all: Settings
  readonly login: ReadLogin
  readonly rotationLogin: ReadLogin | null
  readonly tls: VaultTls
  readonly providerTls: VaultTls | null
}

export function vaultSettings({ all, login, rotationLogin, tls, providerTls }: ReadVault): VaultSettings | null {
  const { KEYRING_VAULT_HOST: url, KEYRING_VAULT_MOUNT: mount, KEYRING_VAULT_PATH: path } = all
  if (url === undefined || mount === undefined || path === undefined || login.auth === null) return null
  return {
    address: addressOf(url),
    tls,
    providerTls,
    headers: all.KEYRING_VAULT_HEADERS,
    namespace: all.KEYRING_VAULT_NAMESPACE,
    loginNamespace: login.namespace ?? all.KEYRING_VAULT_NAMESPACE,
    timeoutMs: all.KEYRING_VAULT_TIMEOUT_MS,
    auth: login.auth,
    rotationLogin: rotationLogin?.auth
      ? { auth: rotationLogin.auth, loginNamespace: rotationLogin.namespace ?? all.KEYRING_VAULT_NAMESPACE }
      : null,
    secrets: secretsOf(all, mount, path),
  }
}

const secretsOf = (
  { KEYRINGS, KEYRING_VAULT_KV: kv }: Settings,
  mount: string,
  path: string,
): readonly SecretSetting[] => [
  { keyring: 'default', kv, mount, path },
  ...KEYRINGS.map((each) => ({
    keyring: each.name,
    kv: each.kv ?? kv,
    mount: each.mount ?? mount,
    path: each.path,
  })),
]

/** Nobody is asked at it: it only tells one source from another. */
const PUSHED_ADDRESS = 'push://inside'

/** A deployment that was synced from an address keeps its keys when `KEYRING_VAULT_HOST` has it. */
export function pushedSources(all: Settings): readonly PushedSource[] {
  const { KEYRING_VAULT_HOST: url, KEYRING_VAULT_MOUNT: mount, KEYRING_VAULT_PATH: path } = all
  if (mount === undefined || path === undefined) return []
  const address = url === undefined ? PUSHED_ADDRESS : addressOf(url)
  const namespace = all.KEYRING_VAULT_NAMESPACE
  return secretsOf(all, mount, path).map(({ keyring, kv, ...secret }) => {
    return { keyring, kind: kv === 'v1' ? 'kv1' : 'kv2', address, namespace, ...secret }
  })
}

const addressOf = (url: URL): string => url.href.replace(/\/$/, '')

/** The connection presents the certificate of the login `cert`. A setting that is itself wrong counts as not set. */
export function tlsOf(
  all: Partial<Settings>,
  auth: LoginSettings | null,
  { texts, login }: Pick<VaultTexts, 'texts' | 'login'>,
): VaultTls {
  const { KEYRING_VAULT_CLIENT_CERT: cert, KEYRING_VAULT_CLIENT_KEY: key } = all
  const own = cert === undefined || key === undefined ? null : { cert, key }
  const ofLogin = auth?.method === 'cert' ? auth.certificate : null
  const nameOf = (name: SettingName, option: LoginOption | null) =>
    (option !== null && ofLogin !== null ? login.get(option) : texts.get(name))?.[0]?.name ?? name
  return {
    authorities: all.KEYRING_VAULT_CACERT ?? null,
    client: ofLogin === null ? own : { cert: textOf(ofLogin.cert), key: textOf(ofLogin.key) },
    serverName: all.KEYRING_VAULT_TLS_SERVER_NAME ?? null,
    names: {
      authorities: nameOf('KEYRING_VAULT_CACERT', null),
      cert: nameOf('KEYRING_VAULT_CLIENT_CERT', 'cert_auth_cert'),
      key: nameOf('KEYRING_VAULT_CLIENT_KEY', 'cert_auth_cert_key'),
    },
  }
}

/** Of the identity provider only the authorities can be set. */
export function providerTlsOf(auth: LoginSettings | null, { login }: Pick<VaultTexts, 'login'>): VaultTls | null {
  if (auth?.method !== 'oauth2' || auth.authorities === null) return null
  const name = login.get('oauth2_cacert')?.[0]?.name ?? ''
  const names = { authorities: name, cert: name, key: name }
  return { authorities: auth.authorities, client: null, serverName: null, names }
}

const textOf = (source: CredentialSource): Secret => ('file' in source ? new Secret(source.file) : source)

/** On Workers the platform presents the certificate, by a binding. */
export function certOnWorkers({ runtime, texts }: VaultTexts, auth: LoginSettings | null): Problem[] {
  if (runtime !== 'workers' || auth?.method !== 'cert') return []
  if (texts.has('KEYRING_VAULT_VPC'))
    return [
      {
        name: 'KEYRING_VAULT_VPC',
        message: 'cannot be used with the login cert: Workers VPC presents no client certificate',
      },
    ]
  if (texts.has('KEYRING_VAULT_MTLS')) return []
  return [
    {
      name: 'KEYRING_VAULT_MTLS',
      message:
        'is required with the login cert: a binding of a client certificate (mtls_certificates in wrangler.toml)',
    },
  ]
}
