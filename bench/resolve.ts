/** References: one that is held, in the process; and over HTTP, beside what OpenBao itself gives, its own proxy too. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { secretWorld, valueOrCode } from '../test/support/secrets.ts'
import { vaultClient } from '../test/support/vault.ts'
import { findOpenBao, freePort, startOpenBao } from '../test/vault/openbao.ts'
import type { OpenBao } from '../test/vault/openbao.ts'
import { cpuMs, startChild } from './child.ts'
import type { Load, Request, Server } from './compare.ts'
import { answerOf, load, settings } from './compare.ts'
import type { Options, Row } from './measure.ts'
import { median, rounded, tempFolder, wanted, withEnds } from './measure.ts'

const REFERENCE = '{vault://bao/password/pass1}'
const RESOLVE: Request = {
  name: 'POST /secrets/resolve',
  method: 'POST',
  path: '/secrets/resolve',
  body: JSON.stringify({ references: [REFERENCE] }),
}
const READ = { name: 'GET secret/data/password', method: 'GET', path: '/v1/secret/data/password' } as const
const ROUNDS = 5
const CONNECTIONS = 32
const CALLS = 200_000
const MAX_US = 2

export async function benchResolve(options: Options): Promise<Row[]> {
  return [...(await inProcess()), ...(await overHttp(options))]
}

async function inProcess(): Promise<Row[]> {
  const { secrets, vault } = secretWorld()
  const text = '{vault://hcv/password/pass1}'
  vault.answers.set('password', { pass1: 'a value of no importance' })
  if ((await valueOrCode(secrets, text)) !== 'a value of no importance') throw new Error('It is not resolved.')
  const rounds: number[] = []
  for (let round = 0; round <= ROUNDS; round += 1) {
    const began = performance.now()
    for (let call = 0; call < CALLS; call += 1) await secrets.resolve([text])
    if (round > 0) rounds.push(((performance.now() - began) * 1000) / CALLS)
  }
  const us = median(rounds)
  return [{ what: 'in process: resolve, one reference', µs: rounded(us, 2), ...wanted(`< ${MAX_US} µs`, us < MAX_US) }]
}

/** Who else gives the secret, and how many times as many requests a second we are to answer. */
interface Other {
  readonly what: string
  readonly server: Server
  readonly request: Request
  readonly goal: number
}

function overHttp({ seconds }: Options): Promise<Row[]> {
  return withEnds(async (onEnd) => {
    const folder = tempFolder(onEnd)
    const binary = await findOpenBao()
    const bao = await startOpenBao(binary)
    onEnd(bao.close)
    const login = await loggedIn(bao)
    const proxy = await startProxy(binary, bao.address, folder)
    onEnd(() => proxy.close())
    const ours = await startChild({
      file: join(import.meta.dirname, '../functions/node/server.ts'),
      env: {
        ...settings(bao.address),
        KEYRING_VAULT_TOKEN: bao.token,
        KEYRING_VAULTS: JSON.stringify([entity(bao)]),
        NODE_ENV: 'production',
        PORT: '0',
        KEYRING_DATABASE: join(folder, 'keyring.sqlite'),
      },
      cwd: folder,
    })
    onEnd(ours.stop)
    const answer = JSON.parse(await answerOf(ours, RESOLVE)) as { secrets: [{ value?: string }] }
    if (answer.secrets[0].value !== 'of no importance') throw new Error('It is not resolved.')
    const direct = (token: string): Request => ({ ...READ, headers: { 'x-vault-token': token } })
    const at = ({ address, pid }: { readonly address: string; readonly pid: number | undefined }): Server => ({
      address: new URL(address).host,
      cpuMs: () => cpuMs(pid),
    })
    const others: readonly Other[] = [
      { what: 'OpenBao, the root token', server: at(bao), request: direct(bao.token), goal: 4 },
      { what: "OpenBao, a login's token", server: at(bao), request: direct(login), goal: 8 },
      { what: "bao proxy, a login's token", server: at(proxy), request: direct(login), goal: 6 },
    ]
    return measured(ours, others, seconds)
  })
}

/** In turns, after a round that warms up. */
async function measured(ours: Server, others: readonly Other[], seconds: number): Promise<Row[]> {
  const rounds: { readonly ours: Load; readonly others: readonly Load[] }[] = []
  for (let round = 0; round <= ROUNDS; round += 1) {
    const own = await load(ours, { request: RESOLVE, connections: CONNECTIONS, seconds })
    const theirs: Load[] = []
    for (const { server, request } of others)
      theirs.push(await load(server, { request, connections: CONNECTIONS, seconds }))
    if (round > 0) rounds.push({ ours: own, others: theirs })
  }
  return others.map(({ what, goal }, at) => {
    const theirs = rounds.flatMap((one) => one.others.slice(at, at + 1))
    const ratios = rounds.map(({ ours: own }, round) => own.perSecond / (theirs[round]?.perSecond ?? Number.NaN))
    const ratio = median(ratios)
    const of = (loads: readonly Load[], figure: keyof Load) => Math.round(median(loads.map((one) => one[figure])))
    const own = rounds.map((one) => one.ours)
    return {
      what: `over HTTP beside ${what}`,
      'req/s': of(own, 'perSecond'),
      'their req/s': of(theirs, 'perSecond'),
      'cpu µs/req': of(own, 'cpuUs'),
      'their cpu µs/req': of(theirs, 'cpuUs'),
      'ratio per round': ratios.map((each) => each.toFixed(2)).join(' '),
      ratio: rounded(ratio, 2),
      ...wanted(`ratio ≥ ${goal}`, ratio >= goal),
    }
  })
}

const entity = ({ address, token }: OpenBao) => {
  const { hostname: host, port } = new URL(address)
  return { name: 'hcv', prefix: 'bao', config: { host, port: Number(port), mount: 'secret', kv: 'v2', token, ttl: 60 } }
}

/** Writes the secret. @returns the token of a login that may read it. */
async function loggedIn({ address, token }: OpenBao): Promise<string> {
  const root = vaultClient(address, token)
  await root.write('password', { pass1: 'of no importance' })
  await root.write('keyring', { id: 'first001', key: 'of no importance, but long enough' })
  const role = 'auth/approle/role/bench'
  const ask = async (path: string, body: object | null) => {
    const answer = await root.request(body === null ? 'GET' : 'POST', path, body === null ? {} : { body })
    if (answer.status >= 300) throw new Error(`${path} answered ${answer.status}`)
    return answer.body as { data: { role_id: string; secret_id: string }; auth: { client_token: string } }
  }
  await ask('sys/auth/approle', { type: 'approle' })
  await ask('sys/policies/acl/bench', { policy: 'path "secret/data/*" { capabilities = ["read"] }' })
  await ask(role, { token_policies: ['bench'] })
  const { role_id } = (await ask(`${role}/role-id`, null)).data
  const { secret_id } = (await ask(`${role}/secret-id`, {})).data
  return (await ask('auth/approle/login', { role_id, secret_id })).auth.client_token
}

/** OpenBao's own proxy with its cache. */
async function startProxy(binary: string, to: string, folder: string) {
  const port = await freePort()
  const listener = `listener "tcp" {\n  address = "127.0.0.1:${port}"\n  tls_disable = true\n}`
  writeFileSync(join(folder, 'proxy.hcl'), `vault { address = "${to}" }\ncache {}\n${listener}`)
  const child = spawn(binary, ['proxy', `-config=${join(folder, 'proxy.hcl')}`], {
    env: { PATH: process.env['PATH'], HOME: folder },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const ended = once(child, 'close')
  const isStarted = new Promise<void>((resolve) => {
    createInterface(child.stdout).on('line', (line) => line.includes('Proxy started') && resolve())
  })
  await Promise.race([isStarted, ended.then(() => Promise.reject(new Error('The proxy ended.')))])
  return {
    address: `http://127.0.0.1:${port}`,
    pid: child.pid,
    async close() {
      process.off('exit', kill)
      kill()
      await ended
    },
  }
}
