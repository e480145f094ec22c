/** What a setting by reference to Secrets Manager costs the sync function's cold start: whole processes with one sync, in turns. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startDevVault } from '../functions/dev-vault/server.ts'
import { awsEnvironment, createTable, startDynalite } from '../test/support/lambda/table.ts'
import { secretsManagerDouble } from '../test/support/secrets-manager.ts'
import { vaultClient } from '../test/support/vault.ts'
import { buildLambda } from '../tools/build-lambda.ts'
import type { Row } from './measure.ts'
import { median, rounded, tempFolder, withEnds } from './measure.ts'

const RUNS = 21
const run = promisify(execFile)
const SYNC = {
  call: 'sync',
  keyring: 'default',
  options: { force: false, adopt: false, token: null },
  withinMs: 20_000,
}

/** As Lambda: import, one event, one answer. */
const PROGRAM = `
  import { handler } from './sync.mjs'
  const context = { awsRequestId: 'bench', getRemainingTimeInMillis: () => 90000 }
  const answer = await handler(${JSON.stringify(SYNC)}, context)
  const { user, system } = process.cpuUsage()
  if (!answer.ok) throw new Error(JSON.stringify(answer))
  console.log(JSON.stringify({ wall: performance.now(), cpu: (user + system) / 1000 }))
  process.exit()
`

export function benchReferences(): Promise<Row[]> {
  return withEnds(async (onEnd) => {
    const folder = tempFolder(onEnd)
    const [server, vault, aws] = [
      await startDynalite(),
      await startDevVault({ port: 0, dataFile: null }),
      await secretsManagerDouble(),
    ]
    for (const each of [server, vault, aws]) onEnd(() => each.close())
    await vaultClient(vault.address, 'root').write('keyring', {
      id: 'first001',
      key: 'of no importance, but long enough',
    })
    aws.put('edge-keyring', { vault_token: 'root' })
    const { later } = await buildLambda('sync', folder)
    writeFileSync(join(folder, 'run.mjs'), PROGRAM)
    const env = {
      ...awsEnvironment(server.endpoint),
      AWS_ENDPOINT_URL_SECRETS_MANAGER: aws.url,
      KEYRING_TABLE: await createTable(server.endpoint),
      KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
      KEYRING_VAULT_HOST: vault.address,
      KEYRING_VAULT_MOUNT: 'secret',
      KEYRING_VAULT_PATH: 'keyring',
    }
    const tokens = { 'as a text': 'root', 'by reference': '{vault://aws/edge-keyring/vault_token}' }
    const taken = new Map<string, Record<'wall' | 'cpu', number>[]>(Object.keys(tokens).map((name) => [name, []]))
    for (let round = 0; round <= RUNS; round += 1) {
      for (const [name, KEYRING_VAULT_TOKEN] of Object.entries(tokens)) {
        const settings = { env: { ...env, KEYRING_VAULT_TOKEN }, timeout: 20_000 }
        const { stdout } = await run(process.execPath, [join(folder, 'run.mjs')], settings)
        if (round > 0) taken.get(name)?.push(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''))
      }
    }
    const medians = (name: string) =>
      (['wall', 'cpu'] as const).map((kind) => median((taken.get(name) ?? []).map((one) => one[kind])))
    const [plain, referring] = [medians('as a text'), medians('by reference')]
    return ['wall', 'cpu'].map((kind, index) => ({
      what: `one sync from a cold start, ${kind} ms`,
      'token as a text': rounded(plain[index] ?? 0, 1),
      'by reference': rounded(referring[index] ?? 0, 1),
      'the SDK costs': rounded((referring[index] ?? 0) - (plain[index] ?? 0), 1),
      'loaded when needed, gzipped KiB': rounded(later.gzipped / 1024, 1),
    }))
  })
}
