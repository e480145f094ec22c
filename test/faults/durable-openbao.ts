/** An OpenBao that keeps its storage in a folder: it can be killed, started again on what it had, and put back to an older copy. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vaultClient } from '../support/vault.ts'
import { until } from '../vault/cluster.ts'
import { freePort } from '../vault/openbao.ts'

const READY_MS = 60_000

export class DurableOpenBao {
  readonly address: string
  token = ''
  readonly #binary: string
  readonly #folder = mkdtempSync(join(tmpdir(), 'openbao-durable-'))
  #unsealKey = ''
  #child: ChildProcess | null = null

  private constructor(binary: string, port: number, clusterPort: number) {
    this.#binary = binary
    this.address = `http://127.0.0.1:${port}`
    mkdirSync(join(this.#folder, 'data'))
    const data = join(this.#folder, 'data')
    const config = `
      storage "raft" { path = "${data}" node_id = "one" performance_multiplier = 1 }
      listener "tcp" { address = "127.0.0.1:${port}" cluster_address = "127.0.0.1:${clusterPort}" tls_disable = true }
      api_addr = "${this.address}"
      cluster_addr = "https://127.0.0.1:${clusterPort}"
    `.replaceAll(/" (\w+ = )/g, '"\n$1')
    writeFileSync(join(this.#folder, 'config.hcl'), config)
  }

  static async start(binary: string): Promise<DurableOpenBao> {
    const server = new DurableOpenBao(binary, await freePort(), await freePort())
    await server.#serve()
    const made = await server.#ask('PUT', 'sys/init', { secret_shares: 1, secret_threshold: 1 })
    const { keys, root_token: token } = made.body as { keys: string[]; root_token: string }
    server.#unsealKey = keys[0] ?? ''
    server.token = token
    await server.#unseal()
    return server
  }

  /** With -9. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null) return
    const ended = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGKILL')
    await ended
  }

  /** On the storage that there is. */
  async again(): Promise<void> {
    await this.kill()
    await this.#serve()
    await this.#unseal()
  }

  /** @returns what puts the storage back to how it is now. */
  async backup(): Promise<() => Promise<void>> {
    await this.kill()
    const [data, copy] = [join(this.#folder, 'data'), join(this.#folder, 'copy')]
    cpSync(data, copy, { recursive: true })
    await this.again()
    return async () => {
      await this.kill()
      rmSync(data, { recursive: true })
      cpSync(copy, data, { recursive: true })
      await this.again()
    }
  }

  async close(): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #serve(): Promise<void> {
    const env = { PATH: process.env['PATH'], HOME: this.#folder }
    const options = ['server', `-config=${join(this.#folder, 'config.hcl')}`]
    const child = spawn(this.#binary, options, { env, stdio: 'ignore' })
    const kill = () => child.kill('SIGKILL')
    process.once('exit', kill)
    child.once('close', () => process.off('exit', kill))
    this.#child = child
    await this.#until(async () => (await this.#ask('GET', 'sys/init')).status === 200)
  }

  async #unseal(): Promise<void> {
    await this.#ask('PUT', 'sys/unseal', { key: this.#unsealKey })
    await this.#until(async () => (await this.#ask('GET', 'sys/health')).status === 200)
  }

  #until(isSo: () => Promise<boolean>): Promise<void> {
    return until(AbortSignal.timeout(READY_MS), isSo)
  }

  #ask(method: string, path: string, body?: object) {
    return vaultClient(this.address, '').request(method, path, { token: null, body })
  }
}
