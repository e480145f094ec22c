/** Three real OpenBao nodes with raft storage, any of which can be killed. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { vaultClient } from '../support/vault.ts'
import { freePort } from './openbao.ts'

export interface Cluster {
  /** The first leads. */
  readonly addresses: readonly string[]
  readonly token: string
  kill(node: number): Promise<void>
  close(): Promise<void>
}

const NODES = 3
const READY_MS = 60_000

export async function startCluster(binary: string): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'openbao-cluster-'))
  const nodes = await Promise.all(Array.from({ length: NODES }, (_, index) => startNode(binary, folder, index)))
  const addresses = nodes.map(({ address }) => address)
  const close = async () => {
    await Promise.all(nodes.map(({ child }) => killed(child)))
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const token = await form(addresses)
    return { addresses, token, close, kill: (node) => killed(nodes[node]?.child) }
  } catch (error) {
    await close()
    throw error
  }
}

async function startNode(binary: string, folder: string, index: number) {
  const [port, clusterPort, home] = [await freePort(), await freePort(), join(folder, `node-${index}`)]
  const address = `http://127.0.0.1:${port}`
  mkdirSync(home)
  const config = `
    storage "raft" { path = "${home}" node_id = "node-${index}" performance_multiplier = 1 }
    listener "tcp" { address = "127.0.0.1:${port}" cluster_address = "127.0.0.1:${clusterPort}" tls_disable = true }
    api_addr = "${address}"
    cluster_addr = "https://127.0.0.1:${clusterPort}"
  `.replaceAll(/" (\w+ = )/g, '"\n$1')
  writeFileSync(join(home, 'config.hcl'), config)
  const env = { PATH: process.env['PATH'], HOME: home }
  const child = spawn(binary, ['server', `-config=${join(home, 'config.hcl')}`], { env, stdio: 'ignore' })
  process.once('exit', () => child.kill('SIGKILL'))
  return { address, child }
}

async function killed(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGKILL')
  await ended
}

/** @returns a root token, when all nodes vote: before that a cluster does not survive its leader. */
async function form(addresses: readonly string[]): Promise<string> {
  const signal = AbortSignal.timeout(READY_MS)
  const [leader = '', ...others] = addresses
  const ask = (address: string, path: string, body?: object) =>
    vaultClient(address, '').request(body === undefined ? 'GET' : 'PUT', path, { token: null, body })
  await Promise.all(
    addresses.map((address) => until(signal, async () => (await ask(address, 'sys/init')).status === 200)),
  )
  const made = await ask(leader, 'sys/init', { secret_shares: 1, secret_threshold: 1 })
  const { keys, root_token: token } = made.body as { keys: string[]; root_token: string }
  await ask(leader, 'sys/unseal', { key: keys[0] })
  const root = vaultClient(leader, token)
  await until(signal, async () => (await root.request('GET', 'sys/health')).status === 200)
  const quick = { server_stabilization_time: '1s', cleanup_dead_servers: false }
  await root.request('POST', 'sys/storage/raft/autopilot/configuration', { body: quick })
  for (const address of others) {
    await until(signal, async () => {
      const joined = await ask(address, 'sys/storage/raft/join', { leader_api_addr: leader })
      return joined.status === 200
    })
    await until(signal, async () => (await ask(address, 'sys/unseal', { key: keys[0] })).status === 200)
  }
  await until(signal, async () => {
    const { body } = await root.request('GET', 'sys/storage/raft/configuration')
    const { servers = [] } = (body as { data?: { config: { servers: { voter: boolean }[] } } }).data?.config ?? {}
    return servers.filter(({ voter }) => voter).length === NODES
  })
  await Promise.all(
    others.map((address) => until(signal, async () => (await ask(address, 'sys/health')).status === 429)),
  )
  return token
}

export async function until(signal: AbortSignal, isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo().catch(() => false))) await sleep(200, null, { signal })
}
