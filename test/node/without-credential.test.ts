/** Requests that the server answers before they have come whole, and how their connections end. */
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NodeServer } from '../support/node-server.ts'
import { API_TOKEN, nodeServer } from '../support/node-server.ts'
import { sendingNonsense, sendingOn, withoutCredential } from '../support/without-credential.ts'

const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
let server: NodeServer
beforeAll(async () => {
  server = await nodeServer({ KEYRING_VAULT_HOST: 'http://127.0.0.1:9', KEYRING_DATABASE: join(folder, 'db') })
}, 60_000)
afterAll(async () => {
  await server.end('SIGTERM')
  rmSync(folder, { recursive: true })
})

describe('on Node, somebody without a credential', () => {
  withoutCredential(() => server.port)
  sendingOn(() => server.port)
  sendingNonsense(() => server.port)
})

describe('on Node, a host or target that is none', () => {
  it.each([
    ['/keyring', 'host: a\r\nhost: b'],
    ['/keyring', 'host: a b^'],
    ['/keyring', 'host: '],
    ['/a/../b', 'host: 1.2.3.4.5'],
    ['http://1.2.3.4.5/keyring', 'host: a'],
    ['//', 'host: a'],
    ['/\\keyring', 'host: a'],
  ])('%j with %j is refused like a path that does not exist', async (target, host) => {
    const answer = await new Promise<string>((resolve, reject) => {
      const took: string[] = []
      const socket = connect(server.port, '127.0.0.1', () => {
        socket.write(`GET ${target} HTTP/1.1\r\n${host}\r\nconnection: close\r\n\r\n`)
      })
      socket.on('data', (bytes) => took.push(bytes.toString('latin1')))
      socket.once('error', reject).once('close', () => resolve(took.join('')))
    })
    expect(answer).toMatch(/^HTTP\/1.1 401 [^]*cache-control: no-store[^]*"code":"ERR_UNAUTHENTICATED"/i)
  })
})

/** Sends the head, and `body` once it is asked for. @returns all that came until the other side ended. */
function expecting(headers: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1')
    const took: string[] = []
    socket.setEncoding('latin1').on('data', (text: string) => {
      took.push(text)
      if (text.startsWith('HTTP/1.1 100 ')) socket.write(body)
    })
    socket.once('error', reject).once('close', () => resolve(took.join('')))
    const head = `host: localhost\r\nauthorization: Bearer ${API_TOKEN}\r\ncontent-type: application/json\r\nexpect: 100-continue`
    socket.write(`POST /keyrings/default/encrypt HTTP/1.1\r\n${head}\r\n${headers}\r\n\r\n`)
  })
}

describe('on Node, what follows an answer that ends its connection', () => {
  it('is not carried out', async () => {
    const socket = connect(server.port, '127.0.0.1')
    const took: string[] = []
    socket.setEncoding('latin1').on('data', (text: string) => took.push(text))
    const first = 'POST /keyrings/default/encrypt HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}'
    const head = `host: localhost\r\nkong-admin-token: ${API_TOKEN}\r\nx-request-id: after-the-end\r\ncontent-length: 0`
    await new Promise((resolve, reject) => {
      socket.once('close', resolve).once('error', reject)
      socket.write(`${first}POST /keyring/vault/sync HTTP/1.1\r\n${head}\r\n\r\n`)
    })
    expect(took.join('').match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 401'])
    await fetch(`http://127.0.0.1:${server.port}/keyring/vault/sync`, {
      method: 'POST',
      headers: { 'kong-admin-token': API_TOKEN, 'x-request-id': 'a-later-one' },
    })
    await expect.poll(() => server.wrote(), { timeout: 10_000 }).toContain('a-later-one')
    expect(server.wrote()).not.toContain('after-the-end')
  })
})

/** @param lines names and values in turns, so that a name may stand twice. */
function statusOf(...lines: string[]): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = {
      port: server.port,
      path: '/keyrings/default/encrypt',
      method: 'POST',
      headers: ['host', 'a', ...lines],
    }
    const sent = request(asked, (response) => resolve((response.resume(), response.statusCode)))
    sent.once('error', reject).end('{}')
  })
}

describe('on Node, somebody with a credential', () => {
  const [OWN, OTHER, JSON_TYPE] = [`Bearer ${API_TOKEN}`, 'Bearer of-somebody-else', 'application/json']

  it('is refused with a second one beside it: a proxy may have added either', async () => {
    const length = ['content-length', '2', 'content-type', JSON_TYPE]
    expect(await statusOf(...length, 'authorization', OWN)).toBe(400)
    expect(await statusOf(...length, 'authorization', OWN, 'authorization', OTHER)).toBe(401)
    expect(await statusOf(...length, 'authorization', OTHER, 'authorization', OWN)).toBe(401)
    expect(await statusOf(...length, 'kong-admin-token', API_TOKEN, 'kong-admin-token', 'another')).toBe(401)
  })

  it('is understood whose body comes in parts', async () => {
    const text = JSON.stringify({ plaintext: 'x'.repeat(100_000), colour: 'é' })
    const [length, half] = [Buffer.byteLength(text), Buffer.from(text).subarray(0, -3)]
    const headers = { authorization: OWN, 'content-type': JSON_TYPE, 'content-length': length }
    const answer = await new Promise<string>((resolve, reject) => {
      const asked = { port: server.port, path: '/keyrings/default/encrypt', method: 'POST', headers }
      const sent = request(asked, (response) => response.setEncoding('utf8').once('data', resolve)).once(
        'error',
        reject,
      )
      sent.write(half, () => setImmediate(() => sent.end(Buffer.from(text).subarray(-3))))
    })
    expect(JSON.parse(answer)).toMatchObject({
      detail: 'The body is not as expected: it has fields that are not known.',
    })
  })

  it('is refused with two media types', async () => {
    const types = ['content-type', JSON_TYPE, 'content-type', 'text/plain']
    expect(await statusOf('content-length', '2', 'authorization', OWN, ...types)).toBe(415)
  })

  it('is asked for the body, which is then read', async () => {
    const answer = await expecting('connection: close\r\ncontent-length: 1', '{')
    expect(answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 400 [^]*"code":"ERR_BODY_MALFORMED"/)
  })

  it('is not asked for a body that is too large', async () => {
    const answer = await expecting('content-length: 5000000', '')
    expect(answer).toMatch(/^HTTP\/1.1 413 [^]*\r\nconnection: close\r\n[^]*"code":"ERR_BODY_TOO_LARGE"/)
  })
})
