/** Bytes that are no text are refused wherever a body may hide them: two different ones would become the same context. */
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { PLAIN_SYNC, keyringOn, world } from '../support/authority.ts'
import { httpOn } from '../support/http.ts'

let app: ReturnType<typeof httpOn>
beforeAll(async () => {
  const on = world(['k1:1'])
  const keyring = await keyringOn(on)
  await keyring.sync(PLAIN_SYNC)
  app = httpOn({ keyring: () => keyring, clock: on.clock })
})

async function send(path: string, type: string, body: string | Uint8Array<ArrayBuffer>) {
  const init = { method: 'POST', headers: { 'content-type': type }, body }
  const response = await app.fetch(new Request(`http://localhost/keyrings/default/${path}`, init))
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
const form = (path: string, body: string) => send(path, 'application/x-www-form-urlencoded', body)

const escaped = (bytes: Iterable<number>): string =>
  Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')

function isUtf8(bytes: Uint8Array): boolean {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes) !== null
  } catch {
    return false
  }
}

describe('a form', () => {
  it.each(['%FF', '%C3%28', '%ED%A0%80', '%C0%80', '%F4%90%80%80', 'ok%80', '%C3&x=%A9', '%EF%BB'])(
    'with %s is refused',
    async (text) => {
      expect(await form('encrypt', `plaintext=p&context=${text}`)).toMatchObject({
        status: 400,
        body: { code: 'ERR_BODY_MALFORMED' },
      })
    },
  )

  it('has 64 fields at most: of hundreds of thousands Node would make nothing else for a minute', async () => {
    const fields = Array.from({ length: 64 }, (_, at) => `k${at}=v`)
    expect((await form('encrypt', fields.join('&'))).body).toMatchObject({ code: 'ERR_REQUEST_INVALID' })
    expect(await form('encrypt', [...fields, ''].join('&'))).toMatchObject({
      status: 400,
      body: { code: 'ERR_BODY_MALFORMED', detail: 'The form has too many fields.' },
    })
  })

  it('with a name of such bytes is refused too', async () => {
    expect(await form('encrypt', 'plaintext=p&%FF=1')).toMatchObject({
      status: 400,
      body: { code: 'ERR_BODY_MALFORMED' },
    })
  })

  it('is taken exactly when its bytes are UTF-8', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 6 }), async (bytes) => {
        const { status } = await form('encrypt', `plaintext=p&context=${escaped(bytes)}`)
        expect([escaped(bytes), status]).toEqual([escaped(bytes), isUtf8(bytes) ? 200 : 400])
      }),
      { examples: [[Uint8Array.of(0xff)], [Uint8Array.of(0xef, 0xbf, 0xbd)], [Uint8Array.of(0xef, 0xbb, 0xbf)]] },
    )
  })

  it('gives back what was written, a lone percent sign as well', async () => {
    const made = await form('encrypt', 'plaintext=100%&context=%zz+%2B+é+%F0%9F%94%91')
    expect(made.status).toBe(200)
    const opened = await send(
      'decrypt',
      'application/json',
      JSON.stringify({ ciphertext: made.body['ciphertext'], context: '%zz + é 🔑' }),
    )
    expect(opened).toMatchObject({ status: 200, body: { plaintext: '100%' } })
  })
})

it.each(['application/json', 'application/x-www-form-urlencoded'])('raw bytes of %s are refused', async (type) => {
  const body = new Uint8Array(Buffer.from('{"plaintext":"p","context":"\u00ff"}', 'latin1'))
  expect(await send('encrypt', type, body)).toMatchObject({ status: 400, body: { code: 'ERR_BODY_MALFORMED' } })
})

it('half a character of JSON is refused', async () => {
  const body = String.raw`{"plaintext":"p","context":"\ud800"}`
  expect(await send('encrypt', 'application/json', body)).toMatchObject({ status: 400 })
})
