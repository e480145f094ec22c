/** What docs/settings.md says of each setting. Apart from the table, so that no deployment carries it. */
import type { SettingName } from '../src/config/settings.ts'

export const TEXTS: Readonly<Record<SettingName, string>> = {
  KEYRING_ENABLED:
    '`on` or `off`. With `off` nothing is served and no other setting is required. (In Kong it is off unless set.)',
  KEYRING_STRATEGY: 'Where keys come from: `vault`, the only strategy so far.',
  KEYRING_VAULT_HOST:
    'Address of Vault or OpenBao, `https://<host>[:port]`, without user, path, query or fragment. `http` is for loopback only.',
  KEYRING_VAULT_ALLOW_HTTP:
    '`on` allows `http` to a Vault that is not on loopback: its token and every key then cross the network in the open.',
  KEYRING_VAULT_CACERT:
    "Authorities of Vault's certificate: PEM or paths of PEM files, separated by commas; `system` stands for those of the runtime and of the operating system. Unset: those of the runtime. Files are read again when they change.",
  KEYRING_VAULT_CLIENT_CERT:
    'Client certificate for Vault: PEM or the path of a PEM file, with its chain. Read again when it changes.',
  KEYRING_VAULT_CLIENT_KEY:
    'Its private key, without a passphrase: PEM or the path of a PEM file. Read again when it changes.',
  KEYRING_VAULT_TLS_SERVER_NAME:
    "Name to ask Vault's TLS for, and to look for in its certificate, when the host in the address is another.",
  KEYRING_VAULT_MTLS:
    'An `mtls_certificates` binding in place of a text: Vault is asked through it, so that the certificate is presented.',
  KEYRING_VAULT_VPC:
    'A `vpc_services` binding in place of a text: Vault is asked through it. It presents no client certificate.',
  KEYRING_VAULT_HEADERS:
    'Headers to send along to Vault, and to Vault alone, as a JSON object: `{"CF-Access-Client-Id": "…", "CF-Access-Client-Secret": "…"}` for a Cloudflare Tunnel with Access. Headers of Vault, of the connection and of the body are refused.',
  KEYRING_VAULT_KV:
    '`v2`, or `v1`: an engine without versions. There, versions are secrets named `1`, `2`, `3`… below the path, each with `id` and `key`; the highest is the current one. A number is written once and never used again.',
  KEYRING_VAULT_MOUNT:
    'Mount of the KV engine, such as `secret` or `kv/team`. One leading and one trailing slash are dropped.',
  KEYRING_VAULT_PATH:
    'Path of the secret in the mount; each of its versions is a key. With KV version 1, the folder whose secrets `1`, `2`… are the versions. One leading and one trailing slash are dropped.',
  KEYRING_VAULT_NAMESPACE: 'Namespace of Vault Enterprise or OpenBao, in printable ASCII; empty for none.',
  KEYRING_VAULT_AUTH_METHOD: 'How to log in to Vault: `token`. `kubernetes` and others come with a later release.',
  KEYRING_VAULT_TOKEN:
    'Vault token that may read `<mount>/metadata/<path>` and `<mount>/data/<path>`. White space around it is dropped.',
  KEYRING_VAULT_TIMEOUT_MS: 'How long to wait for one answer of Vault, in milliseconds: 100 to 60000.',
  KEYRINGS:
    'Keyrings beside `default`, as a JSON list of `{"name", "path", "mount", "kv"}`: each another secret of the same Vault; `mount` and `kv` are `KEYRING_VAULT_MOUNT` and `KEYRING_VAULT_KV` unless given.',
  KEYRING_SYNC_PERIOD:
    'Seconds between two syncs by themselves, looked at once a minute: 0 to 86400, where 0 is never. After a failure the next try comes sooner: after 1, 2, 4… minutes.',
  KEYRING_MAX_RECORD_AGE:
    'Seconds since the record was sealed, which the schedule does anew once a day, Vault up or down: 172800 (2 days) to 31536000. An older one from a replica is not used; an older one from the record store is used with a warning.',
  KEYRING_WRAPPING_KEYS:
    'What the stored record is sealed with: `<id>:<32 bytes in base64>`, separated by commas. The first seals, all open. `<id>/keyring/<name>:<base64>` gives the key derived for one keyring instead.',
  KEYRING_API_TOKENS:
    'Who may call, as a JSON list of `{"name", "sha256", "grants", "expires_at"}`: the SHA-256 of each token in hex, grants such as `["read", "decrypt:orders"]`, and the end in RFC 3339 (absent or null: never). One token is required, here or in `KEYRING_API_TOKEN`.',
  KEYRING_API_TOKEN:
    'One token with the grant `admin`, in the open: 8 characters or more, and 32 or more when `HOST` is not loopback.',
  HOST: 'Host name or IP address to listen on.',
  PORT: 'Port to listen on: 0 to 65535, where 0 takes a free one.',
  KEYRING_DATABASE:
    'Path of the SQLite file with the sealed record. On loopback it lies in `.edge-keyring/` unless set; elsewhere it is required.',
  KEYRING_TABLE: 'Name of the DynamoDB table with the sealed record. Required on Lambda.',
  KEYRING_SYNC_FUNCTION:
    'Name of the function that syncs; the HTTP function invokes it. Required on Lambda, for the HTTP function.',
  KEYRING_LOCATION_HINT:
    'Where the Durable Object is made at its first use, near Vault: `wnam`, `enam`, `sam`, `weur`, `eeur`, `apac`, `oc`, `afr` or `me`. Later changes move nothing.',
  KEYRING_DEV_VAULT_PORT:
    'Port of the dev Vault that the local default starts when no Vault is configured: 1 to 65535.',
}
