/** `private_key_jwt`: an assertion is one that others verify, and names the key that a JWK names. */
import { exportJWK, exportPKCS8, generateKeyPair, jwtVerify } from 'jose'
import { expect, it } from 'vitest'
import { privateKeyIn } from '../../src/core/pem.ts'
import { signAssertion } from '../../src/vault/login/client-assertion.ts'

const about = { clientId: 'client', audience: 'https://idp.example/token', now: Date.now() }

it.each(['RS256', 'ES256', 'EdDSA'])('with a key for %s, as a JWK and in PEM, holds', async (alg) => {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const pem = privateKeyIn(await exportPKCS8(privateKey))
  if (typeof pem === 'string') expect.unreachable(pem)
  const jwk = JSON.stringify({ ...(await exportJWK(privateKey)), kid: 'of-the-key' })
  for (const [key, kid] of [[pem, undefined] as const, [{ jwk }, 'of-the-key'] as const]) {
    const verified = await jwtVerify((await signAssertion({ key, ...about })) ?? '', publicKey, about)
    expect(verified.protectedHeader).toEqual({ alg, typ: 'JWT', ...(kid && { kid }) })
    expect(verified.payload).toMatchObject({ iss: 'client', sub: 'client', exp: (verified.payload.iat ?? 0) + 60 })
  }
})
