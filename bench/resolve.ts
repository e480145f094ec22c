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
import { startChild } from './child.ts'
import { sideBySide } from './compare.ts'
import type { Options, Row } from './measure.ts'
import { median, rounded, tempFolder, wanted, withEnds } from './measure.ts'
import { loginToken, measurable } from './openbao.ts'
import type { Request } from './requests.ts'
import { answerOf, post, settings } from './requests.ts'

const REFERENCE = '{vault://bao/password/pass1}'
const RESOLVE = post('/secrets/resolve', { references: [REFERENCE] })
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

function overHttp({ seconds }: Options): Promise<Row[]> {
  return withEnds(async (onEnd) => {
    const folder = tempFolder(onEnd)
    const binary = await findOpenBao()
    const bao = await startOpenBao(binary)
    onEnd(bao.close)
    const root = vaultClient(bao.address, bao.token)
    await root.write('password', { pass1: 'of no importance' })
    await root.write('keyring', { id: 'first001', key: 'of no importance, but long enough' })
    const login = await loginToken(bao, 'path "secret/data/*" { capabilities = ["read"] }')
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
    const others = [
      { beside: 'OpenBao, root token', server: measurable(bao), request: direct(bao.token), goals: { ratio: 4 } },
      { beside: "OpenBao, a login's token", server: measurable(bao), request: direct(login), goals: { ratio: 8 } },
      { beside: "bao proxy, a login's token", server: measurable(proxy), request: direct(login), goals: { ratio: 6 } },
    ]
    return sideBySide({ request: RESOLVE, connections: CONNECTIONS, seconds }, ours, others)
  })
}

const entity = ({ address, token }: OpenBao) => {
  const { hostname: host, port } = new URL(address)
  return { name: 'hcv', prefix: 'bao', config: { host, port: Number(port), mount: 'secret', kv: 'v2', token, ttl: 60 } }
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
