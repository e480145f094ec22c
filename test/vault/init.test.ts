/** `edge-keyring init` of the packed package in an empty folder, and what it prints, typed: up to the first sync, from a real OpenBao where there is one. */
import { execFile, spawn } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv, promisify } from 'node:util'
import { createTestHarness } from 'wrangler'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { FUNCTIONS } from '../../tools/build-lambda.ts'
import { allOf, oneOf, stagesOf, variablesOf, wordsOf } from '../support/image.ts'
import { deployLambda } from '../support/lambda/deployment.ts'
import { freePort } from '../support/local.ts'
import { packed } from '../support/package.ts'
import type { VaultServer } from '../support/vault.ts'
import { vaultClient, vaultTargets } from '../support/vault.ts'

const run = promisify(execFile)
const BIN = join(import.meta.dirname, '../../node_modules/.bin')
/** The least that a shell has. */
const PATH = `${join(process.execPath, '..')}:${process.env['PATH'] ?? ''}`

let vault: VaultServer
let pack: Awaited<ReturnType<typeof packed>>
beforeAll(async () => {
  const [devVault, openbao] = vaultTargets()
  vault = await (openbao.isAvailable ? openbao : devVault).open()
  await vaultClient(vault.address, vault.token).write('keyring', { id: 'first001', key: 'k'.repeat(32) })
  pack = await packed()
}, 120_000)
afterAll(async () => {
  pack.remove()
  await vault.close()
})

/** The tools are those of this repository, because installing them takes longer than all else. */
const STAND_INS = `
  npm() { echo "npm $*" >&2; }; docker() { echo "docker $*" >&2; }; curl() { echo "curl $*" >&2; }; aws() { cat; }
  npx() { case "$*" in
    edge-keyring*) command npx "$@";;
    'wrangler deploy '*) "${BIN}/wrangler" "\${@:2}" --dry-run --outdir uploaded;;
    'osls package') "${BIN}/osls" package;;
    *) echo "npx $*" >&2;;
  esac; }`

interface Initialised {
  readonly folder: string
  /** What is to be typed. */
  readonly next: string
  /** What it prints. Programs that need an account, or Docker, or would install, only say how they were called. */
  readonly typed: { readonly stdout: string; readonly stderr: string }
}

async function initialised(kind: string): Promise<Initialised> {
  const folder = await pack.install(kind)
  const env = { PATH, HOME: pack.folder, WRANGLER_SEND_METRICS: 'false' }
  const { stdout } = await run('npx', ['edge-keyring', 'init', kind, '--json'], { cwd: folder, env })
  const { next } = JSON.parse(stdout) as { next: string[] }
  const lines = next
    .join('\n')
    .replace('https://vault.example:8200', vault.address)
    .replace('hvs.…', vault.token)
    .replace(/^read .*$/m, `export VAULT_TOKEN=${vault.token}`)
  const typed = await run('bash', ['-c', `set -eo pipefail\n${STAND_INS}\n${lines}`], { cwd: folder, env })
  return { folder, next: lines, typed }
}

/** The first sync, and what there is then. */
async function expectFirstSync(url: string, token: string, command: string): Promise<void> {
  const path = /(?<=\w)\/keyring\/vault\/sync\b/.exec(command)?.[0] ?? 'There is no such path.'
  const headers = { 'kong-admin-token': token }
  expect((await fetch(new URL(path, url), { method: 'POST', headers })).status).toBe(204)
  const listed = await fetch(new URL('/keyring', url), { headers })
  expect(await listed.json()).toEqual({ ids: ['first001'], active: 'first001' })
}

const tokenIn = (text: string): string => /ek_[\w-]+/.exec(text)?.[0] ?? ''

it('cloudflare: wrangler takes the Worker, which syncs on workerd', async () => {
  const { folder, next, typed } = await initialised('cloudflare')
  const { stdout, stderr } = typed
  expect(stdout).toContain('ok  workers: nothing is missing or wrong')
  expect(stdout).toMatch(/env\.KEYRING_OBJECT \(KeyringObject\)[^]*env\.KEYRING_REPLICA[^]*--dry-run: exiting/)
  expect(stderr).toMatch(/^npm install --save-dev --save-exact wrangler@/m)
  expect(stderr).toContain('npx wrangler dev --env-file worker.env\n')
  expect(statSync(join(folder, 'worker.env')).mode & 0o777).toBe(0o600)
  const secrets = parseEnv(readFileSync(join(folder, 'worker.env'), 'utf8')) as Record<string, string>
  const harness = createTestHarness({ root: folder, workers: [{ configPath: 'wrangler.toml', secrets }] })
  onTestFinished(() => harness.close())
  const { url } = await harness.listen()
  await expectFirstSync(String(url), tokenIn(stderr), next)
}, 60_000)

it('lambda: osls packages the functions, which sync on the files of their zips', async () => {
  const { folder, next, typed } = await initialised('lambda')
  const { stdout, stderr } = typed
  expect(stdout).toContain('ok  lambda: nothing is missing or wrong')
  expect(stderr).toContain('npx osls deploy --package .serverless\n')
  const text = /^\{"wrapping_keys".*\}$/m.exec(stdout)?.[0] ?? '{}'
  const { wrapping_keys, api_tokens, vault_token } = JSON.parse(text) as Record<string, string>
  const settings = {
    KEYRING_VAULT_HOST: vault.address,
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: 'keyring',
    KEYRING_VAULT_TOKEN: vault_token ?? '',
    KEYRING_WRAPPING_KEYS: wrapping_keys ?? '',
    KEYRING_API_TOKENS: api_tokens ?? '',
  }
  const { Resources } = JSON.parse(
    readFileSync(join(folder, '.serverless/cloudformation-template-update-stack.json'), 'utf8'),
  ) as { Resources: Record<string, { Properties: { Handler?: string } }> }
  const handlers = FUNCTIONS.map(async (name) => {
    const handler = Resources[`${name.replace(/^./, (first) => first.toUpperCase())}LambdaFunction`]?.Properties.Handler
    await run('python3', ['-m', 'zipfile', '-e', `.serverless/${name}.zip`, `unpacked/${name}`], { cwd: folder })
    return [name, join(folder, 'unpacked', name, handler?.replace(/\.handler$/, '.mjs') ?? '')]
  })
  const deployment = await deployLambda(settings, Object.fromEntries(await Promise.all(handlers)) as object)
  onTestFinished(() => deployment.stop())
  const { url } = await deployment.startHttp()
  await expectFirstSync(url, tokenIn(stderr), next)
  await expect(deployment.startRotate({ KEYRING_ROTATION: '1d' })).resolves.toBeDefined()
}, 60_000)

it('container: the lines of the Dockerfile make a folder where the server starts, is healthy, and syncs', async () => {
  const { folder, next, typed } = await initialised('container')
  const { stderr } = typed
  expect(stderr).toMatch(
    /^docker build -t edge-keyring \.\ndocker run .* node --max-semi-space-size=4 --env-file=\/run\/keyring\.env server\.mjs$/m,
  )

  const [build = [], image = []] = stagesOf(readFileSync(join(folder, 'Dockerfile'), 'utf8'))
  const sent = readFileSync(join(folder, '.dockerignore'), 'utf8').match(/(?<=^!).*/gm) ?? []
  // Beside the first, where the path of the tarball in package.json leads to it.
  const [builder, app] = [join(pack.folder, 'builder'), join(pack.folder, 'app')]
  mkdirSync(builder)
  expect(oneOf(build, 'COPY')).toBe([...sent, './'].join(' '))
  for (const name of sent) cpSync(join(folder, name), join(builder, name))
  await run('bash', ['-c', oneOf(build, 'RUN')], { cwd: builder, env: { PATH, HOME: pack.folder } })
  expect(allOf(image, 'COPY')).toEqual(['--from=build /app/node_modules/edge-keyring ./'])
  cpSync(join(builder, 'node_modules/edge-keyring'), app, { recursive: true })

  const port = await freePort()
  const env = {
    PATH,
    ...variablesOf(image),
    HOST: '127.0.0.1',
    PORT: String(port),
    KEYRING_DATABASE: join(app, 'k.sqlite'),
  }
  const [node, ...words] = wordsOf(oneOf(image, 'CMD'))
  expect(node).toBe('node')
  const child = spawn(process.execPath, [`--env-file=${join(folder, 'keyring.env')}`, ...words], { cwd: app, env })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(app, { recursive: true })
  })
  await new Promise<void>((resolve, reject) => {
    let printed = ''
    child.stderr.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
      if (printed.includes('"listening":')) resolve()
    })
    void ended.then(() => reject(new Error(printed)))
  })
  const [, ...check] = wordsOf(oneOf(image, 'HEALTHCHECK'))
  await run(process.execPath, check, { cwd: app, env })
  await expectFirstSync(`http://127.0.0.1:${port}`, tokenIn(stderr), next)
  child.kill('SIGTERM')
  expect(await ended).toBe(0)
}, 60_000)
