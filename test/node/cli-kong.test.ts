/** `edge-keyring kong decrypt` on the value that Kong's documentation prints, and on lines that are wrong. */
import { createCipheriv, createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Ran } from '../support/cli.ts'
import { runCli } from '../support/cli.ts'

/** Printed in Kong's documentation of the keyring (docs.konghq.com, "Exercise the Encryption Routines"). */
const PUBLISHED = {
  id: 'LaW1urRQ',
  key: 'jUGuI1xWuQWkOkAZYbmj317n6QISVhx6R9DAUmWkXJQ=',
  value:
    '$ke$1$-LaW1urRQ-0f5b1ee8ddeefca1a1d75125-53f158a5f619133a2113692a7057e2b91fa947321de4480d452dd42c36bc9ef8aa6499cd429db6d7',
  plaintext: 'da61c0083b6d19ef3db2490d0da96a71572da0fa',
}
const RAW = JSON.stringify({ id: PUBLISHED.id, key: PUBLISHED.key, form: 'raw' })
const CANARY = 'canary-key-string-of-the-tests'

let cwd: string
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'edge-keyring-kong-'))
})
afterAll(() => rmSync(cwd, { recursive: true }))

function decrypt(keys: string, input: string | Buffer): Promise<Ran> {
  writeFileSync(join(cwd, 'keys'), keys)
  return runCli(['kong', 'decrypt', '--keys', 'keys'], { cwd, env: {}, input })
}

const ke1 = (id: string, key: Buffer, plaintext: string | Buffer): string => {
  const nonce = Buffer.alloc(12, 7)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  return `$ke$1$-${id}-${nonce.toString('hex')}-${cipher.update(plaintext).toString('hex')}`
}

it('opens the value that Kong has published, wherever it stands in a line, and leaves the rest as it is', async () => {
  const { value, plaintext } = PUBLISHED
  const input = [
    `\uFEFF{"id":12345678901234567890,"n":1.10,"config":{"headers":[{"v":"${value}"},null,true]},"name":"$ke$ \u2028"}`,
    '',
    JSON.stringify(value),
    '"plain"\r',
  ].join('\n')
  expect(await decrypt(RAW, input)).toMatchObject({
    code: 0,
    stdout: [
      `{"id":12345678901234567890,"n":1.10,"config":{"headers":[{"v":"${plaintext}"},null,true]},"name":"$ke$ \u2028"}`,
      JSON.stringify(plaintext),
      '"plain"\n',
    ].join('\n'),
    stderr: "3 lines, 2 values of Kong's; 0 lines left out\n",
  })
})

it('takes the vault strategy by its form, says that no real Kong was tried, and an id with hyphens', async () => {
  const key = createHash('sha256').update(CANARY).digest()
  const keys = `${RAW}\n${JSON.stringify({ id: 'my-own-id', key: CANARY, form: 'sha256' })}\n`
  const { code, stdout, stderr } = await decrypt(
    keys,
    JSON.stringify([ke1('my-own-id', key, 'grüße'), PUBLISHED.value]),
  )
  expect([code, stdout]).toEqual([0, `["grüße","${PUBLISHED.plaintext}"]\n`])
  expect(stderr).toContain('note: my-own-id: the form sha256 is as documented, and never tried on a real Kong\n')
})

it('names lines that are wrong by number, leaves them out, goes on, and ends with status 1', async () => {
  const wrongKey = ke1(PUBLISHED.id, Buffer.alloc(32, 9), Buffer.alloc(40, 200))
  const lines = [
    '{"canary',
    '"$ke$1$-canary"',
    `"$ke$1$-${PUBLISHED.id}-0f5b1ee8ddeefca1a1d75125-53F1"`,
    `"$ke$1$-${PUBLISHED.id}-0f5b1ee8-53f1"`,
    JSON.stringify(ke1('other', Buffer.alloc(32, 9), 'x')),
    JSON.stringify(wrongKey),
    JSON.stringify(PUBLISHED.value),
  ]
  const bytes = Buffer.concat([Buffer.from(`${lines.join('\n')}\n"`), Buffer.from([0xff]), Buffer.from('"')])
  const { code, stdout, stderr } = await decrypt(RAW, bytes)
  expect([code, stdout]).toEqual([1, `"${PUBLISHED.plaintext}"\n`])
  const form = 'ERR_CIPHERTEXT_INVALID: A value is not of the form $ke$1$-<key id>-<nonce>-<ciphertext>.'
  expect(stderr.split('\n')).toEqual([
    'line 1: ERR_BODY_MALFORMED: The line is not JSON.',
    `line 2: ${form}`,
    `line 3: ${form}`,
    `line 4: ${form}`,
    'line 5: ERR_KEY_NOT_FOUND: The key "other" is not in the file of --keys.',
    `line 6: ERR_DECRYPT_FAILED: The key "${PUBLISHED.id}" gives no text: it is another key, or of the other form.`,
    'line 8: ERR_BODY_MALFORMED: The line is not JSON.',
    "8 lines, 6 values of Kong's; 7 lines left out",
    '',
  ])
})

it.each([
  ['no key', '\n', 'has no key'],
  ['no JSON', `${RAW}\n{"${CANARY}`, 'Line 2 of the file of --keys is not a line'],
  ['a line without a form', JSON.stringify({ id: 'a', key: CANARY }), 'Line 1 of the file of --keys is not a line'],
  ['an unknown form', JSON.stringify({ id: 'a', key: CANARY, form: 'toString' }), 'has another form than'],
  ['a raw key that is none', JSON.stringify({ id: 'a', key: CANARY, form: 'raw' }), 'has a key that is not base64'],
  [
    'an empty id',
    JSON.stringify({ id: '', key: CANARY, form: 'sha256' }),
    'Line 1 of the file of --keys is not a line',
  ],
  ['an id twice', `${RAW}\n${RAW.replace('raw', 'sha256')}`, 'Line 2 of the file of --keys has an id that an earlier'],
])('refuses keys that have %s, before it reads a value, and quotes none', async (_name, keys, sentence) => {
  const { code, stdout, stderr } = await decrypt(keys, JSON.stringify(PUBLISHED.value))
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(sentence)
  expect(stderr).not.toMatch(/canary|jUGuI1xW/)
})

it('wants its keys from a file that can be read', async () => {
  for (const words of [[], ['--keys', 'nowhere']]) {
    const { code, stderr } = await runCli(['kong', 'decrypt', ...words], { cwd, env: {} })
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^ERR_USAGE: The f\S+ (--keys|of --keys) /)])
  }
})
