/** What happens to the server when nobody reads what it writes, or when there is no room for it. */
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { Sink } from '../../functions/node/audit-log.ts'
import { auditLog, fileSink, streamSink } from '../../functions/node/audit-log.ts'
import type { AuditEvent } from '../../src/core/ports.ts'
import type { NodeServer } from '../support/node-server.ts'
import { API_TOKEN, nodeServer } from '../support/node-server.ts'
import { smallDisk } from '../support/small-disk.ts'
import { keyString } from '../support/syncing.ts'
import { vaultClient } from '../support/vault.ts'

const REFUSED = { status: 503, code: 'ERR_AUDIT_UNAVAILABLE' }

type Line = Record<string, unknown>
/** Each line is whole, or this throws. */
const linesOf = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)

let vault: Awaited<ReturnType<typeof startDevVault>>
let folder: string
const running: NodeServer[] = []
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  vault = await startDevVault({ port: 0, dataFile: null })
  const secrets = vaultClient(vault.address, 'root')
  await secrets.write('keyring', { id: 'one', key: keyString('one') })
  await secrets.write('keyring', { id: 'two', key: keyString('two') })
})
afterEach(async () => {
  for (const server of running.splice(0)) await server.end('SIGKILL')
  await vault.close()
  rmSync(folder, { recursive: true })
})

async function serve(stdout?: number | 'unread'): Promise<NodeServer> {
  const settings = { KEYRING_VAULT_HOST: vault.address, KEYRING_DATABASE: join(folder, 'db') }
  const server = await nodeServer(settings, stdout)
  running.push(server)
  return server
}

/** It fails: what is refused is added up, and each of these has a line. */
const refuse = (server: NodeServer) => server.call(`/keyrings/${'x'.repeat(200)}`)
const NO_KEYRING = 'ERR_KEYRING_NOT_FOUND'
const removeOne = (server: NodeServer) => server.call('/keyring/remove', { id: 'one', force: true })

async function goesOn(server: NodeServer): Promise<void> {
  for (let use = 0; use < 3; use += 1) expect(await refuse(server)).toMatchObject({ status: 404 })
  expect(await server.call('/keyring')).toMatchObject({ status: 200, body: { ids: ['one', 'two'] } })
  const { body } = await server.call('/keyrings/default/encrypt', { plaintext: 'x' })
  const { ciphertext } = body
  expect(await server.call('/keyrings/default/decrypt', { ciphertext })).toMatchObject({ body: { plaintext: 'x' } })
}

describe('the audit log on standard output', () => {
  it('has lost its reader: everything goes on but what must be audited', async () => {
    const server = await serve()
    server.leave('stdout')
    await goesOn(server)
    expect(await removeOne(server)).toMatchObject(REFUSED)
    await goesOn(server)
    expect(server.said()).toContain('"part":"audit","code":"ERR_AUDIT_UNAVAILABLE"')
    expect(await server.end('SIGTERM')).toBe(0)
    expect(server.said()).toMatch(/The audit log lost \d+ uses or refusals/)
  })

  it('has lost its reader, and standard error too', async () => {
    const server = await serve()
    server.leave('stdout')
    server.leave('stderr')
    await goesOn(server)
    expect(await removeOne(server)).toMatchObject(REFUSED)
    await goesOn(server)
    expect(await server.end('SIGTERM')).toBe(0)
  })

  it('has a reader that does not read: a removal is refused in time', async () => {
    const server = await serve('unread')
    for (let round = 0; round < 100; round += 1) await Promise.all(Array.from({ length: 10 }, () => refuse(server)))
    expect(await removeOne(server)).toMatchObject(REFUSED)
    await goesOn(server)
  })

  it('gets its reader back: every failure is there, once and in order', async () => {
    const fifo = join(folder, 'fifo')
    execFileSync('mkfifo', [fifo])
    const read = () => {
      const reader = spawn('cat', [fifo], { stdio: ['ignore', 'pipe', 'inherit'] })
      const text: string[] = []
      const until = (wanted: string) =>
        new Promise<Line[]>((resolve) =>
          reader.stdout.on('data', (chunk: Buffer) => {
            text.push(chunk.toString())
            if (text.join('').includes(wanted)) resolve(linesOf(text.join('')))
          }),
        )
      return { reader, until }
    }
    const first = read()
    const fd = openSync(fifo, 'w')
    const server = await serve(fd)
    closeSync(fd)
    const began = first.until(NO_KEYRING)
    await refuse(server)
    await began
    const left = new Promise((resolve) => first.reader.once('close', resolve))
    first.reader.kill()
    await left
    for (let refusal = 0; refusal < 40; refusal += 1) await refuse(server)
    expect(await removeOne(server)).toMatchObject(REFUSED)
    const second = read()
    const seen = await second.until('"action":"remove"')
    expect(seen.filter(({ code }) => code === NO_KEYRING)).toHaveLength(40)
    expect(seen.filter(({ action }) => action === 'remove')).toMatchObject([
      { outcome: 'failed', code: 'ERR_AUDIT_UNAVAILABLE' },
    ])
    await server.end('SIGKILL')
  })

  it('is a file on a full disk: no line is torn or doubled when there is room again', async () => {
    const disk = smallDisk(64)
    try {
      const path = join(disk.folder, 'log')
      const fd = openSync(path, 'a')
      const server = await serve(fd)
      closeSync(fd)
      await refuse(server)
      disk.fill()
      for (let refusal = 0; refusal < 40; refusal += 1) await refuse(server)
      expect(await removeOne(server)).toMatchObject(REFUSED)
      await goesOn(server)
      disk.free()
      expect(await removeOne(server)).toMatchObject({ status: 204 })
      const requests = linesOf(readFileSync(path, 'utf8')).filter(({ code }) => code === NO_KEYRING)
      expect(new Set(requests.map(({ request }) => request)).size).toBe(requests.length)
      expect(requests).toHaveLength(1 + 40 + 3)
    } finally {
      for (const server of running.splice(0)) await server.end('SIGKILL')
      disk.remove()
    }
  })
})

const event = (more: Partial<AuditEvent> = {}): AuditEvent => ({
  time: 1,
  request: 'r',
  caller: null,
  action: 'GET',
  keyring: null,
  keyId: null,
  count: 1,
  outcome: 'failed',
  code: 'ERR_INTERNAL',
  ...more,
})

describe('the audit log in a file', () => {
  it('on a full disk: goes on where it stopped, and says how many were lost', async () => {
    const disk = smallDisk(64)
    try {
      const path = join(disk.folder, 'audit.log')
      const said: string[] = []
      const log = auditLog(fileSink(path), (line) => said.push(line))
      await log.commit(event({ request: 'first' }))
      disk.fill()
      for (let refusal = 0; refusal < 20_000; refusal += 1) log.note(event({ request: `n${refusal}` }))
      await expect(log.commit(event({ request: 'refused' }))).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
      const torn = readFileSync(path, 'utf8')
      expect(torn.endsWith('\n')).toBe(true)
      execFileSync('mount', ['-o', 'remount,size=8m', disk.folder])
      disk.free()
      await log.close()
      const lines = linesOf(readFileSync(path, 'utf8'))
      const noted = lines.filter(({ action }) => action === 'GET').map(({ request }) => request)
      const kept = noted.length - 1
      expect(noted).toEqual(['first', ...Array.from({ length: kept }, (_, index) => `n${index}`)])
      expect(lines.at(-1)).toMatchObject({ action: 'audit', count: 20_001 - kept, code: 'ERR_AUDIT_UNAVAILABLE' })
      expect(said.join('\n')).toContain(`lost ${20_001 - kept} uses or refusals`)
    } finally {
      disk.remove()
    }
  })

  it('that somebody moves away is made anew, and half a line of a process that was killed is ended', async () => {
    const path = join(folder, 'audit.log')
    const log = auditLog(fileSink(path), () => {})
    await log.commit(event({ request: 'first' }))
    unlinkSync(path)
    expect(existsSync(path)).toBe(false)
    execFileSync('bash', ['-c', `printf '{"half":' > ${path}`])
    await log.commit(event({ request: 'second' }))
    await log.close()
    const [half, whole] = readFileSync(path, 'utf8').split('\n')
    expect([half, JSON.parse(whole ?? '')]).toMatchObject(['{"half":', { request: 'second' }])
  })
})

describe('a commit that waits', () => {
  it('is taken back at its end: what did not happen is not written later', async () => {
    const written: string[] = []
    let answer: (taken: number) => void = () => {}
    const stalled: Sink = (bytes) => {
      written.push(bytes.toString())
      return new Promise((resolve) => (answer = resolve))
    }
    const log = auditLog(stalled, () => {})
    const begun = log.commit(event({ request: 'under way' }))
    const waiting = log.commit(event({ request: 'waiting' }))
    for (const commit of [begun, waiting]) await expect(commit).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    log.note(event({ request: 'after' }))
    const closed = log.close()
    answer(written.join('').length)
    await Promise.resolve()
    answer(1000)
    await closed
    expect(linesOf(written.join('')).map(({ request }) => request)).toEqual(['under way', 'after'])
  })
})

describe('a client that hangs up', () => {
  const head = (path: string, length: string) =>
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${API_TOKEN}\r\ncontent-type: application/json\r\n${length}\r\n\r\n`

  it.each([
    ['within a body', `${head('/keyrings/default/encrypt', 'content-length: 1000')}{"plaintext":"abc`],
    ['within a body in chunks', `${head('/keyrings/default/encrypt', 'transfer-encoding: chunked')}5\r\n{"pla\r\n`],
    ['before the answer', `${head('/keyring/vault/sync', 'content-length: 2')}{}`],
    [
      'before the answer, with a body in chunks',
      `${head('/keyring/vault/sync', 'transfer-encoding: chunked')}2\r\n{}\r\n0\r\n\r\n`,
    ],
  ])('%s is no defect', async (_, text) => {
    const server = await serve()
    for (const half of [text, text, text]) {
      const socket = connect(server.port, '127.0.0.1')
      socket.on('error', () => {})
      await new Promise<void>((resolve) => socket.write(half, () => resolve()))
      await server.call('/healthz')
      const closed = new Promise((resolve) => socket.once('close', resolve))
      socket.resetAndDestroy()
      await closed
      await server.call('/healthz')
    }
    expect(await server.end('SIGTERM')).toBe(0)
    expect(server.said()).not.toContain('"defect"')
    expect(server.wrote()).not.toContain('ERR_INTERNAL')
    // The start says how the first sync went, and where it listens.
    expect(server.said().trim().split('\n')).toHaveLength(2)
  })
})

it('one process writes whole lines through a stream, however long they are', async () => {
  const chunks: Buffer[] = []
  const { PassThrough } = await import('node:stream')
  const stream = new PassThrough()
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  const log = auditLog(streamSink(stream), () => {})
  for (let refusal = 0; refusal < 200; refusal += 1)
    log.note(event({ request: `n${refusal}`, keyId: 'k'.repeat(refusal * 50) }))
  await log.close()
  expect(linesOf(Buffer.concat(chunks).toString())).toHaveLength(200)
})
