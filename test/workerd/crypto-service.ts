/** A Worker for the tests alone: the ciphers of both kinds in workerd, asked from outside. */
import { systemClock } from '../../src/core/clock.ts'
import { decodeUtf8, toBase64url, utf8 } from '../../src/core/bytes.ts'
import { settle } from '../../src/core/errors.ts'
import { decryptEk1, ek1Key, parseEk1 } from '../../src/crypto/ek1.ts'
import { Encryptor } from '../../src/crypto/encryptor.ts'
import { materialFromString } from '../../src/crypto/material.ts'
import { webHash } from '../../src/crypto/web.ts'
import { CIPHERS } from '../support/ciphers.ts'
import { accumulated, aesFailures, hkdfFailures, xaesFailures } from '../support/crypto-vectors.ts'

const KEY = 'key string of no importance'
const CONTEXT = utf8('users.email')

/** What either cipher seals is opened by both; then tags of other lengths. */
async function crossed(): Promise<readonly string[]> {
  const answers: string[] = []
  for (const from of CIPHERS)
    for (const to of CIPHERS) {
      const [mine, theirs] = await Promise.all(
        [from, to].map(async ({ cipher }) => ek1Key(cipher, 'a', await materialFromString(cipher, webHash, KEY))),
      )
      if (mine === undefined || theirs === undefined) throw new Error('There are two.')
      const value = await new Encryptor(from.cipher, systemClock).encrypt(mine, 'grüße aus dem Netz', CONTEXT)
      const opened = await decryptEk1(to.cipher, theirs, parseEk1(value), CONTEXT)
      answers.push(`${from.name} to ${to.name}: ${decodeUtf8(opened)}`)
      const { payload } = parseEk1(value)
      for (const tagBytes of [4, 12, 13, 15, 17]) {
        const altered = new Uint8Array(payload.length - 16 + tagBytes)
        altered.set(payload.subarray(0, altered.length))
        const refused = await settle(async () =>
          decryptEk1(to.cipher, theirs, parseEk1(`ek1.a.${toBase64url(altered)}`), CONTEXT),
        )
        answers.push(`tag of ${tagBytes}: ${refused.ok ? 'opened' : refused.error.code}`)
      }
    }
  return answers
}

const adapterOf = (name: string | null) => CIPHERS.find((each) => each.name === name)

async function answer(request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url)
  if (pathname === '/crossed') return Response.json(await crossed())
  const adapter = adapterOf(searchParams.get('through'))
  if (adapter === undefined) return new Response(null, { status: 404 })
  if (pathname === '/vectors')
    return Response.json([
      ...(await xaesFailures(adapter)),
      ...(await aesFailures(adapter)),
      ...(await hkdfFailures(adapter)),
    ])
  const stream = new Uint8Array(await request.arrayBuffer())
  return new Response(await accumulated(adapter, stream, Number(searchParams.get('iterations'))))
}

export default { fetch: answer }
