import { describe, expect, it } from 'vitest'
import { nodeHash } from '../../functions/node-shared/cipher.ts'
import { authenticator, newToken, presentedToken } from '../../src/auth/tokens.ts'
import type { Clock, Hash } from '../../src/core/ports.ts'

const EXPIRES_AT = 1000

function setUp() {
  let now = 0
  let hashed = 0
  const clock: Clock = { now: () => now, sleep: () => Promise.reject(new Error('not here')) }
  const hash: Hash = { ...nodeHash, sha256: (text) => ((hashed += 1), nodeHash.sha256(text)) }
  return { clock, hash, hashes: () => hashed, at: (ms: number) => (now = ms) }
}

async function tokens() {
  const on = setUp()
  const secret = await newToken(nodeHash)
  const sha256 = await nodeHash.sha256(secret)
  const authenticate = authenticator(on.hash, on.clock, [
    { name: 'app', sha256, grants: ['read'], expiresAt: EXPIRES_AT },
  ])
  return { ...on, secret, authenticate }
}

describe('API tokens', () => {
  it('hashes a right token once and knows it from then on', async () => {
    const { authenticate, secret, hashes } = await tokens()
    for (let request = 0; request < 3; request += 1) expect((await authenticate(secret))?.name).toBe('app')
    expect(hashes()).toBe(1)
  })

  it('never remembers a wrong one', async () => {
    const { authenticate, secret, hashes } = await tokens()
    for (let request = 0; request < 3; request += 1) expect(await authenticate(`${secret}x`)).toBeNull()
    expect(hashes()).toBe(3)
  })

  it('refuses a remembered token from the millisecond at which it expires', async () => {
    const { authenticate, secret, at } = await tokens()
    expect((await authenticate(secret))?.name).toBe('app')
    at(EXPIRES_AT - 1)
    expect((await authenticate(secret))?.name).toBe('app')
    at(EXPIRES_AT)
    expect(await authenticate(secret)).toBeNull()
  })

  it.each([
    [{ authorization: 'Bearer gateway', kongAdminToken: 'ours' }, 'ours'],
    [{ authorization: 'Basic gateway', kongAdminToken: 'ours' }, 'ours'],
    [{ authorization: 'Bearer ours', kongAdminToken: undefined }, 'ours'],
    [{ authorization: 'Bearer ours', kongAdminToken: '' }, 'ours'],
    [{ authorization: 'Basic gateway', kongAdminToken: undefined }, null],
    [{ authorization: 'Bearer one, Bearer two', kongAdminToken: undefined }, null],
    [{ authorization: undefined, kongAdminToken: undefined }, null],
  ])('%o: Kong-Admin-Token decides where it is sent, and Bearer alone otherwise', (headers, expected) =>
    expect(presentedToken(headers)).toBe(expected),
  )
})
