/** The second seed's how-to on Node, from a real identity provider to a real OpenBao; and one that is killed and comes back under load. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setInterval as every } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { kongFiles } from '../../functions/node-shared/kong-files.ts'
import { DurableOpenBao } from '../faults/durable-openbao.ts'
import { runCli } from '../support/cli.ts'
import type { IdentityProvider } from '../support/identity-provider.ts'
import { RESOURCE, SECRET, startIdentityProvider } from '../support/identity-provider.ts'
import type { NodeServer } from '../support/node-server.ts'
import { API_TOKEN, nodeServer } from '../support/node-server.ts'
import type { FaultyProxy, VaultClient } from '../support/vault.ts'
import { faultyProxy, vaultClient } from '../support/vault.ts'

const shared = inject('openbao')
const PASS1 = '{vault://hashicorp-vault/password/pass1}'
const CLOCK = pathToFileURL(join(import.meta.dirname, '../node/children/told-clock.ts')).href
const TTL_MS = 60_000

describe.skipIf(shared === null)('a reference, as the how-to has it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-references-'))
  const clock = {
    ms: 0,
    file: join(folder, 'clock'),
    pass(ms: number) {
      writeFileSync(this.file, String((this.ms += ms)))
    },
  }
  let bao: DurableOpenBao
  let root: VaultClient
  let provider: IdentityProvider
  let between: FaultyProxy
  let server: NodeServer

  beforeAll(async () => {
    clock.pass(0)
    bao = await DurableOpenBao.start(shared?.binary ?? '')
    provider = await startIdentityProvider()
    between = await faultyProxy(bao.address)
    root = await vaultClient(bao.address, bao.token).mount('secret')
    await howTo(root, provider)
    server = await nodeServer({
      ...(await entityOfDeck(folder, between.address, provider)),
      KEYRING_VAULT_HOST: bao.address,
      KEYRING_VAULT_TOKEN: bao.token,
      KEYRING_DATABASE: join(folder, 'keyring.sqlite'),
      NODE_OPTIONS: `--import=${CLOCK}`,
      TOLD_CLOCK: clock.file,
    })
  }, 120_000)
  afterAll(async () => {
    await server?.end('SIGKILL')
    await Promise.all([between?.close(), provider?.close(), bao?.close()])
    rmSync(folder, { recursive: true, force: true })
  })

  const vaultGet = (reference: string) =>
    runCli(['vault', 'get', reference], {
      cwd: folder,
      env: { EDGE_KEYRING_URL: `http://127.0.0.1:${server.port}`, EDGE_KEYRING_TOKEN: API_TOKEN },
    })
  const resolved = async (): Promise<string> => {
    const { status, body } = await server.call('/secrets/resolve', { references: [PASS1] })
    const [one] = (body['secrets'] ?? []) as { value?: string; error?: { code: string } }[]
    return one?.value ?? one?.error?.code ?? `status ${status}`
  }
  const reads = () => between.seen.filter(({ path }) => path.startsWith('/v1/secret/data/password'))

  it('is printed by vault get, after a login with an access token', async () => {
    const { code, stdout } = await vaultGet(PASS1)
    expect([code, stdout]).toEqual([0, 'the first value'])
    expect(provider.seen.length).toBe(1)
    expect(between.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /v1/auth/jwt/login',
      'GET /v1/secret/data/password',
    ])
  })

  it('is held, and a new version is there within its TTL', async () => {
    await root.write('password', { pass1: 'the second value' })
    expect(await resolved()).toBe('the first value')
    expect(reads()).toHaveLength(1)
    clock.pass(TTL_MS)
    expect((await vaultGet(PASS1)).stdout).toBe('the second value')
    expect((await vaultGet(`${PASS1.slice(0, -1)}#1}`)).stdout).toBe('the first value')
    expect(provider.seen.length).toBe(1)
  })

  it('says the same of what the role may not read and of what is not there, and nothing else', async () => {
    const { code, stdout, stderr } = await vaultGet('{vault://hashicorp-vault/keyring/key}')
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain('ERR_SECRET_FORBIDDEN')
    const none = await vaultGet('{vault://hashicorp-vault/password/none}')
    expect(none.stderr).toContain('ERR_SECRET_UNUSABLE')
  })

  it.each([
    '{vault://hashicorp-vault/../password/pass1}',
    '{vault://hashicorp-vault/%2e%2e/password/pass1}',
    '{vault://hashicorp-vault/%252e%252e/password/pass1}',
    '{vault://hashicorp-vault/x%2F..%2Fpassword/pass1}',
    '{vault://hashicorp-vault/x%252F%252E%252E%252Fpassword/pass1}',
    '{vault://hashicorp-vault/..%255Cpassword/pass1}',
    '{vault://hashicorp-vault/./password/pass1}',
  ])('causes no request where its path leads elsewhere: %s', async (reference) => {
    const before = between.seen.length
    const { code, stdout } = await vaultGet(reference)
    expect([code, stdout]).toEqual([1, ''])
    expect(between.seen.length).toBe(before)
  })

  it(
    'is given to each of 200 requests a second while OpenBao is killed and comes back',
    { timeout: 180_000 },
    async () => {
      const before = await resolved()
      clock.pass(TTL_MS)
      const load = loadOn(resolved)
      await load.more(200)
      expect(load.answers()).toEqual([before])
      between.seen.length = 0
      await bao.kill()
      clock.pass(TTL_MS)
      await load.more(400)
      const back = bao.again()
      await load.until(back)
      expect(load.answers()).toEqual([before])
      // One try at a time, of three requests; with pauses of 1, 2, 4, 8, 16, 32 and 60 s between them. The login is asked nothing.
      expect(between.seen.length).toBe(reads().length)
      expect(reads().length).toBeLessThanOrEqual(7 * 3)
      await root.write('password', { pass1: 'after the outage' })
      clock.pass(TTL_MS)
      between.seen.length = 0
      await load.more(200)
      expect(load.answers()).toEqual([before, 'after the outage'])
      expect(reads()).toHaveLength(1)
    },
  )
})

/** 200 requests a second, ten at a time, whatever becomes of those before. */
function loadOn(ask: () => Promise<string>) {
  const seen = new Set<string>()
  const send = async (isEnough: () => boolean) => {
    const all: Promise<void>[] = []
    for await (const _ of every(50)) {
      for (let at = 0; at < 10; at += 1) all.push(ask().then((answer) => void seen.add(answer)))
      if (isEnough()) break
    }
    await Promise.all(all)
  }
  return {
    answers: () => [...seen],
    more: (count: number) => {
      let sent = 0
      return send(() => (sent += 10) >= count)
    },
    until: async (work: Promise<void>) => {
      let isOver = false
      void work.finally(() => (isOver = true)).catch(() => {})
      await send(() => isOver)
      await work
    },
  }
}

/** What the how-to has done with the command line of Vault. */
async function howTo(root: VaultClient, { jwksUrl, issuer }: IdentityProvider): Promise<void> {
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
async function entityOfDeck(folder: string, address: string, { tokenEndpoint }: IdentityProvider) {
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
