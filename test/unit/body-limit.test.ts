/** Bodies without a stated length: they are counted as they come. */
import { expect, it } from 'vitest'
import { createHttp } from '../../src/http/app.ts'
import { PLAIN_SYNC, keyringOn, world } from '../support/authority.ts'

const CHUNK = 300

async function encryptChunked(plaintext: string) {
  const on = world(['a:1'])
  const keyring = await keyringOn(on)
  await keyring.sync(PLAIN_SYNC)
  const app = createHttp({
    authenticate: () => ({ name: 'test', grants: new Set(['admin']) }),
    keyring: () => keyring,
    audit: { note: () => {}, commit: async () => {} },
    clock: on.clock,
    onDefect: () => expect.unreachable('A defect.'),
  })
  const bytes = new TextEncoder().encode(JSON.stringify({ plaintext }))
  const body = new ReadableStream({
    start(controller) {
      for (let start = 0; start < bytes.length; start += CHUNK) controller.enqueue(bytes.subarray(start, start + CHUNK))
      controller.close()
    },
  })
  const request = new Request('http://localhost/keyrings/default/encrypt', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    duplex: 'half',
  } as RequestInit)
  const response = await app.fetch(request)
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

it('takes a body that comes in chunks', async () => {
  expect(await encryptChunked('x'.repeat(1000))).toMatchObject({ status: 200, body: { key_id: 'a' } })
})

it('refuses one that grows over the limit', async () => {
  expect(await encryptChunked('x'.repeat(1024 * 1024))).toMatchObject({
    status: 413,
    body: { code: 'ERR_BODY_TOO_LARGE' },
  })
})
