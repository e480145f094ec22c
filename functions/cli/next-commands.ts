/** What is typed after `edge-keyring init`, up to the first sync. */
import type { Kind } from './own-repository.ts'

/** With umask 077 the file of secrets is for its owner alone. */
const settingsIn = (file: string): readonly string[] => [
  'umask 077',
  `npx edge-keyring secrets new > ${file}     # shows an API token, this once; keep the wrapping key elsewhere too`,
  `printf '%s\\n' KEYRING_VAULT_HOST=https://vault.example:8200 KEYRING_VAULT_MOUNT=secret KEYRING_VAULT_PATH=keyring KEYRING_VAULT_TOKEN=hvs.… >> ${file}`,
]

const firstSync = (url: string): string =>
  `curl -i -X POST ${url}/keyring/vault/sync -H 'Kong-Admin-Token: ek_…'     # 204`

const NEXT: Readonly<Record<Kind, readonly string[]>> = {
  cloudflare: [
    ...settingsIn('worker.env'),
    'npx edge-keyring check --platform workers --file worker.env',
    'npx wrangler dev --env-file worker.env     # here, on workerd: localhost:8787',
    'npx wrangler kv namespace create KEYRING_REPLICA     # put the id that it prints into wrangler.toml',
    'npx wrangler deploy --secrets-file worker.env',
    firstSync('https://edge-keyring.….workers.dev'),
  ],
  lambda: [
    "read -rsp 'Vault token: ' VAULT_TOKEN && export VAULT_TOKEN",
    "npx edge-keyring secrets new --json | node -p '",
    '  const made = JSON.parse(fs.readFileSync(0))',
    '  console.error(made)',
    '  const api_tokens = JSON.stringify([{ name: "admin", sha256: made.sha256, grants: ["admin"] }])',
    "  JSON.stringify({ wrapping_keys: made.wrapping_key, api_tokens, vault_token: process.env.VAULT_TOKEN })' |",
    '  aws secretsmanager create-secret --name edge-keyring --secret-string file:///dev/stdin',
    'unset VAULT_TOKEN',
    'export KEYRING_VAULT_HOST=https://vault.example:8200',
    'npx osls package',
    'npx edge-keyring check --platform lambda --file .serverless/cloudformation-template-update-stack.json',
    'npx osls deploy --package .serverless',
    firstSync('https://….lambda-url.eu-central-1.on.aws'),
  ],
  container: [
    ...settingsIn('keyring.env'),
    'docker build -t edge-keyring .',
    'docker run -d --name keyring -p 127.0.0.1:8001:8001 -v keyring:/var/lib/edge-keyring -v "$PWD/keyring.env:/run/keyring.env:ro" edge-keyring node --max-semi-space-size=4 --env-file=/run/keyring.env server.mjs     # its user, 1000, must be able to read keyring.env',
    firstSync('localhost:8001'),
  ],
}

export const nextCommands = (kind: Kind): readonly string[] => NEXT[kind]
