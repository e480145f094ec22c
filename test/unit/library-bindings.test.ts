/** The library in a Worker: what is bound in place of a text. */
import { expect, it } from 'vitest'
import { readGiven } from '../../functions/cloudflare/given-settings.ts'
import { openReferences } from '../../functions/cloudflare/resolving.ts'

const KEYS = `w1:${Buffer.alloc(32, 1).toString('base64')}`

it.each([
  ['gives', async () => KEYS, null],
  ['refuses', () => Promise.reject(new Error('canary')), 'is bound to a secret that the Secrets Store does not give.'],
  ['has empty', async () => '', /^KEYRING_WRAPPING_KEYS is required/],
])('wrapping keys that the Secrets Store %s', async (_what, get, message) => {
  const { reading, config } = await readGiven({ KEYRING_WRAPPING_KEYS: { get } })
  const end = () => reading.end()
  if (message === null) expect(end).not.toThrow()
  else expect(end).toThrow(message)
  expect(config.wrappingKeys.length).toBe(message === null ? 1 : 0)
})

it('references need the replica, and name what is missing', async () => {
  await expect(openReferences({ KEYRING_WRAPPING_KEYS: KEYS })).rejects.toMatchObject({
    code: 'ERR_CONFIG_INVALID',
    message: expect.stringMatching(/^KEYRING_REPLICA is required/),
  })
  const store = { get: async () => null }
  const references = await openReferences(
    { KEYRING_WRAPPING_KEYS: KEYS, EDGE_KEYRING_URL: 'https://x.example' },
    { store },
  )
  await expect(references.resolve('{vault://hcv/a/b}')).rejects.toMatchObject({ code: 'ERR_AUTHORITY_UNAVAILABLE' })
})
