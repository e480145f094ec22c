/** What docs/settings.md says of each setting; it stands apart from the table, so that no deployment carries it. */
import type { EntityType } from '../src/config/entity-types.ts'
import type { LoginOption } from '../src/config/login-methods.ts'
import { METHOD_NAMES } from '../src/config/login-methods.ts'
import type { SettingName } from '../src/config/settings.ts'

export const TEXTS: Readonly<Record<SettingName, string>> = {
  KEYRING_ENABLED:
    '`on` or `off`. With `off` nothing is served and no other setting is required. (In Kong it is off unless set.)',
  KEYRING_STRATEGY:
    'Where keys come from: `vault`, which is asked from here, or `push`: "edge-keyring push" brings them from a Vault that nothing outside may reach ([reaching Vault](reaching-vault.md#push)). `KEYRING_VAULT_KV`, `…_NAMESPACE`, `…_MOUNT`, `…_PATH` and, if set, `…_HOST` then say whose keys they are, and no login is needed.',
  KEYRING_VAULT_HOST:
    'Address of Vault or OpenBao, `https://<host>[:port]`, with the base path of a gateway where there is one, without `/v1`, user, query or fragment. `http` is for loopback only. Required unless the strategy is `push`.',
  KEYRING_VAULT_ALLOW_HTTP:
    '`on` allows `http` to a Vault that is not on loopback: its token and every key then cross the network in the open.',
  KEYRING_VAULT_CACERT:
    "Authorities of Vault's certificate: PEM or paths of PEM files, separated by commas; `system` stands for those of the runtime and of the operating system. Unset: those of the runtime. Files are read again when they change.",
  KEYRING_VAULT_CLIENT_CERT:
    'Client certificate for Vault: PEM or the path of a PEM file, with its chain, and with the key if both settings name it. Read again when it changes.',
  KEYRING_VAULT_CLIENT_KEY:
    'Its private key, without a passphrase: PEM or the path of a PEM file. Read again when it changes.',
  KEYRING_VAULT_TLS_SERVER_NAME:
    "Name to ask Vault's TLS for, and to look for in its certificate, when the host in the address is another.",
  KEYRING_VAULT_MTLS:
    'An `mtls_certificates` binding in place of a text: Vault is asked through it, so that the certificate is presented.',
  KEYRING_VAULT_VPC:
    'A `vpc_services` binding in place of a text: Vault is asked through it. It presents no client certificate.',
  KEYRING_VAULT_HEADERS:
    'Headers to send along to Vault, and to Vault alone, as a JSON object: `{"CF-Access-Client-Id": "…", "CF-Access-Client-Secret": "…"}` for a Cloudflare Tunnel with Access, `Authorization` for the password of a gateway. Headers of Vault, of the connection and of the body are refused.',
  KEYRING_VAULT_KV:
    '`v2`, or `v1`: an engine without versions. There, versions are secrets named `1`, `2`, `3`… below the path, each with `id` and `key`; the highest is the current one. A number is written once and never used again.',
  KEYRING_VAULT_MOUNT:
    'Mount of the KV engine, such as `secret` or `kv/team`. One leading and one trailing slash are dropped.',
  KEYRING_VAULT_PATH:
    'Path of the secret in the mount; each of its versions is a key. With KV version 1, the folder whose secrets `1`, `2`… are the versions. One leading and one trailing slash are dropped.',
  KEYRING_VAULT_NAMESPACE: 'Namespace of Vault Enterprise or OpenBao, in printable ASCII; empty for none.',
  KEYRING_VAULT_TIMEOUT_MS:
    'How long to wait for one answer of Vault, in milliseconds: 100 to 60000. The other names have a duration as Go writes it, such as `5s`, or seconds.',
  KEYRINGS:
    'Keyrings beside `default`, as a JSON list of `{"name", "path", "mount", "kv"}`: each another secret of the same Vault; `mount` and `kv` are `KEYRING_VAULT_MOUNT` and `KEYRING_VAULT_KV` unless given.',
  KEYRING_SYNC_PERIOD:
    'Seconds between two syncs by themselves, looked at once a minute: 0 to 86400, where 0 is never. With the strategy `push`: how often something should be pushed; after two times without, status warns. After a failure the next try comes sooner: after 1, 2, 4… minutes.',
  KEYRING_MAX_RECORD_AGE:
    'Seconds since the record was sealed, which the schedule does anew once a day, Vault up or down: 172800 (2 days) to 31536000. An older one from a replica is not used; an older one from the record store is used with a warning.',
  KEYRING_MAX_STALENESS:
    'Seconds since the last sync that succeeded, after which nobody encrypts any more (`ERR_SNAPSHOT_STALE`) and `/readyz` is 503: 60 to 31536000. Decryption goes on. Not set = however long Vault is down.',
  KEYRING_ROTATION:
    "When a new key is written to Vault: hours or days since the current version was written, such as `30d`, or a cron expression of five fields in UTC, `0 3 1 * *`, or with a time zone before it, `CRON_TZ=Europe/Berlin 0 3 1 * *`. Vault's clock counts. Not set = never by itself. With the strategy `push` it says when `edge-keyring push --rotate` writes one; not set = each time.",
  KEYRING_ROTATION_DELAY:
    'Seconds after which a new version becomes active, so that other readers of the secret have synced by then: 0 to 86400.',
  KEYRING_ROTATION_PRUNE:
    '`held` lets Vault prune versions whose key is held here: this keyring is their only copy from then on. Otherwise such a rotation is refused.',
  KEYRING_WRAPPING_KEYS:
    'What the stored record is sealed with: `<id>:<32 bytes in base64>`, separated by commas. The first seals, all open. `<id>/keyring/<name>:<base64>` gives the key derived for one keyring instead, `<id>/secrets/<prefix>:<base64>` that for what the references to one vault gave.',
  KEYRING_API_TOKENS:
    'Who may call, as a JSON list of `{"name", "sha256", "grants", "expires_at"}`: the SHA-256 of each token in hex, grants such as `["read", "decrypt:orders"]`, and the end in RFC 3339 (absent or null: never). One token is required, here or in `KEYRING_API_TOKEN`.',
  KEYRING_API_TOKEN:
    'One token with the grant `admin`, in the open: 8 characters or more, and 32 or more when `HOST` is not loopback.',
  HOST: 'Host name or IP address to listen on.',
  PORT: 'Port to listen on: 0 to 65535, where 0 takes a free one.',
  KEYRING_DATABASE:
    'Path of the SQLite file with the sealed record. On loopback it lies in `.edge-keyring/` unless set; elsewhere it is required.',
  KEYRING_TABLE: 'Name of the DynamoDB table with the sealed record. Required on Lambda.',
  KEYRING_SECRETS_TABLE:
    'Name of the DynamoDB table with what references to secrets gave, sealed. `<KEYRING_TABLE>-secrets` where it is not set.',
  KEYRING_SYNC_FUNCTION:
    'Name of the function that syncs; the HTTP function invokes it. Required on Lambda, for the HTTP function.',
  KEYRING_ROTATE_FUNCTION:
    'Name of the function that rotates, which the HTTP function invokes for a rotation by hand. The one that syncs where it is not set.',
  KEYRING_LOCATION_HINT:
    'Where the Durable Object is made at its first use, near Vault: `wnam`, `enam`, `sam`, `weur`, `eeur`, `apac`, `oc`, `afr` or `me`. Later changes move nothing.',
  KEYRING_DEV_VAULT_PORT:
    'Port of the dev Vault that the local default starts when no Vault is configured: 1 to 65535.',
}

const PATH_OF = 'Mount of the login; one leading and one trailing slash are dropped.'
const IN_FILE = 'Path of a file with it, read anew at each login. Not on Workers.'

export const LOGIN_TEXTS: Readonly<Record<LoginOption, string>> = {
  auth_method: `How to log in: ${METHOD_NAMES.map((name) => `\`${name}\``).join(', ')}. \`aws_ec2\`, \`gcp_iam\`, \`gcp_gce\` and \`azure\` come with a later release.`,
  login_namespace: 'Namespace of the login, when it is another one; `/` for the root.',
  token:
    'Vault token that may read `<mount>/metadata/<path>` and `<mount>/data/<path>`. Beside another login it is not used.',
  kube_auth_path: PATH_OF,
  kube_role: 'Role of the login in Vault.',
  kube_api_token: 'JWT of the service account, where there are no files.',
  kube_api_token_file:
    'File with the JWT of the service account, read anew at each login; `/run/secrets/kubernetes.io/serviceaccount/token` unless set. Not on Workers.',
  approle_auth_path: PATH_OF,
  approle_role_id: 'Role id.',
  approle_secret_id:
    'Secret id, or with response wrapping a wrapping token that holds it. Without one the login is by the role id alone, for a role with `bind_secret_id=false`.',
  approle_secret_id_file: IN_FILE,
  approle_response_wrapping:
    '`on`: what is given is a wrapping token. It is opened once for the whole deployment; the secret id is kept sealed.',
  approle_role_name:
    'Name of the role that the wrapping token must have been made for. Without it one of any role of the mount is accepted, with a warning.',
  cert_auth_path: PATH_OF,
  cert_auth_role_name: 'Role of the login in Vault; without it Vault tries them all.',
  cert_auth_cert:
    'Client certificate with its chain: PEM, or the path of a file. Required, but on Workers, which bind an mTLS certificate instead.',
  cert_auth_cert_key: 'Its private key: PEM, or the path of a file.',
  jwt_auth_path: PATH_OF,
  jwt_role: "Role of the login in Vault; without it the mount's `default_role`.",
  jwt: 'JWT to log in with.',
  jwt_file: IN_FILE,
  jwt_source:
    'Platform whose identity the JWT is, fetched for each login: `google` (service account), `azure` (managed identity; `AZURE_CLIENT_ID` chooses one) or `github` (a job of Actions). Not on Workers and Lambda.',
  jwt_audience: 'For whom the platform makes the JWT; on Azure the resource. Required with it.',
  oauth2_token_endpoint: 'Token endpoint of the identity provider, https. This or the issuer is required.',
  oauth2_issuer:
    'Issuer, as the identity provider writes it: the token endpoint is discovered from it (OpenID Connect, RFC 8414), and it is the audience of client assertions.',
  oauth2_cacert:
    'Authorities of the certificate of the identity provider: PEM or paths of PEM files, separated by commas; `system` for those of runtime and operating system. Not on Workers.',
  oauth2_client_id: 'Id of the client. `jwt` with a client id means `oauth2`.',
  oauth2_client_auth:
    '`client_secret_basic`, `client_secret_post` or `private_key_jwt`. Unless set, the first with a secret and the last with a key.',
  oauth2_client_secret: 'Secret of the client. This or the private key is required.',
  oauth2_private_key:
    'Key of the client, RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA), without a passphrase: PEM, a JWK, or the path of a file with it.',
  oauth2_scopes: 'Scopes to ask for, separated by spaces or commas.',
  oauth2_audiences: 'Goes out as `audience`, once for each; separated by spaces or commas.',
  oauth2_resource: 'Goes out as `resource` (RFC 8707), once for each; separated by spaces or commas.',
  oauth2_parameters: 'More parameters of the token request, as a JSON object of texts.',
  aws_login_path: 'Mount of the login, alone or in a path like the default.',
  aws_auth_role: 'Role of the login in Vault; without it the name of the user or role at AWS.',
  aws_auth_region: 'Region of STS that the signature is for.',
  aws_access_key_id:
    'With its secret. Without the two the keys come from the environment (Lambda), a role of the service account (EKS), the container service (ECS, EKS) or instance metadata, version 2.',
  aws_secret_access_key: 'Secret of the access key.',
  aws_sts_endpoint_url:
    "STS endpoint that the signature is for; the region's unless set. Vault's own is configured there.",
  aws_assume_role_arn: 'Role to take before the login.',
  aws_role_session_name: 'Name of the session in that role.',
  aws_iam_server_id: 'Goes out signed as `X-Vault-AWS-IAM-Server-ID`.',
  userpass_auth_path: PATH_OF,
  userpass_username: 'Name of the user.',
  userpass_password: 'Password of the user.',
}

/** Of vault entities, by their type, and of all. */
export const ENTITY_TEXTS: Readonly<Record<EntityType | 'all', Readonly<Record<string, string>>>> = {
  hcv: {
    protocol: '`https`, or `http`: on loopback, or with `KEYRING_VAULT_ALLOW_HTTP`.',
    host: 'Host name or IP address of Vault or OpenBao.',
    port: 'Its port.',
    namespace: 'Namespace of Vault Enterprise or OpenBao; of the login too, unless `login_namespace` is another.',
    mount: 'Mount of the KV engine.',
    kv: "`v1` or `v2`. Kong's default is `v1`.",
    ssl_verify: '`off` is refused.',
  },
  aws: {
    region: 'Region of AWS Secrets Manager.',
    endpoint_url: "Its address, where it is not the region's.",
    assume_role_arn: 'Role to take first.',
    role_session_name: 'Name of the session in that role.',
    sts_endpoint_url: "STS endpoint to take it at, where it is not the region's.",
  },
  env: {
    prefix:
      'What variables begin with. Without it no caller is answered. Those of edge-keyring, Kong, Vault, AWS and decK (`KEYRING_*`, `EDGE_KEYRING_*`, `KONG_*`, `VAULT_*`, `BAO_*`, `AWS_*`, `DECK_*`) and others that settings and platforms are read from are always refused.',
  },
  fs: { prefix: 'Folder that secrets are read from. On Node only.' },
  all: {
    ttl: 'Seconds after which a secret is asked for again, 60 or more; 0 = never.',
    neg_ttl: 'Seconds for which it holds that there is no such secret; 0 = not at all.',
    resurrect_ttl: 'Seconds for which a secret serves on, from its expiry, while the vault cannot be asked.',
    resurrect_deleted: '`on` lets a secret serve on too that was deleted, or is forbidden.',
    base64_decode: 'The value is base64, and is decoded.',
  },
}
