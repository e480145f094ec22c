/** What the second seed's how-to has done: at Vault, at the identity provider, and in a file of decK's. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { kongFiles } from '../../functions/node-shared/kong-files.ts'
import type { IdentityProvider } from './identity-provider.ts'
import { RESOURCE, SECRET } from './identity-provider.ts'
import type { VaultClient } from './vault.ts'

export const TTL_MS = 60_000

/** What the how-to has done with the command line of Vault. */
export async function howTo(root: VaultClient, { jwksUrl, issuer }: IdentityProvider): Promise<void> {
  await root.write('password', { pass1: 'the first value' })
  await root.write('keyring', { id: 'first001', key: 'of no importance, but long enough' })
  const must = async (path: string, body: object) => {
    const answer = await root.request('POST', path, { body })
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  }
  await must('sys/policies/acl/demo', { policy: 'path "secret/data/password" { capabilities = ["read"] }' })
  await must('sys/auth/jwt', { type: 'jwt' })
  await must('auth/jwt/config', { jwks_url: jwksUrl, bound_issuer: issuer })
  await must('auth/jwt/role/demo', {
    role_type: 'jwt',
    user_claim: 'sub',
    token_type: 'batch',
    bound_subject: 'post',
    bound_audiences: ['vault'],
    token_policies: ['demo'],
  })
}

/** A file of decK's, and what the settings are of it. */
export async function entityOfDeck(folder: string, address: string, { tokenEndpoint }: IdentityProvider) {
  const { hostname, port } = new URL(address)
  const file = join(folder, 'kong.yaml')
  writeFileSync(
    file,
    `_format_version: "3.0"
services:
  - name: of-the-gateway
    url: https://upstream.example
vaults:
  - name: hcv
    prefix: hashicorp-vault
    config:
      host: ${hostname}
      port: ${port}
      protocol: http
      mount: secret
      kv: v2
      ttl: ${TTL_MS / 1000}
      auth_method: oauth2
      oauth2_role_name: demo
      oauth2_token_endpoint: ${tokenEndpoint}
      oauth2_client_id: post
      oauth2_client_auth: client_secret_post
      oauth2_client_secret: \${{ env "DECK_CLIENT_SECRET" }}
      oauth2_resource: ${RESOURCE}
      oauth2_scopes: read
`,
  )
  const { env, problems } = (await kongFiles(null, file, { DECK_CLIENT_SECRET: SECRET }))({})
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  return { KEYRING_VAULTS: env['KEYRING_VAULTS'] ?? '' }
}
