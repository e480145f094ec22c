/** `edge-keyring/lambda` in a function: what is kept from one invocation to the next, and what is not. */
import { afterEach, expect, it, vi } from 'vitest'
import { invoked, openKeyring } from '../../functions/lambda/library.ts'
import { PLAIN_SYNC, authorityOn, world } from '../support/authority.ts'

const KEY = `w1:${Buffer.alloc(32, 1).toString('base64')}`

async function opened() {
  const on = world(['k1:1'])
  on.clock.time = Date.now()
  await authorityOn(on).sync('default', PLAIN_SYNC)
  return openKeyring({ KEYRING_WRAPPING_KEYS: KEY }, { store: on.store })
}

/** What the nonces of two values have in common. */
const prefixOf = (ciphertext: string): string =>
  Buffer.from(ciphertext.slice('ek1.k1.'.length), 'base64url').subarray(16, 28).toString('hex')

afterEach(() => void vi.unstubAllEnvs())

it('begins each invocation with nonces of its own', async () => {
  const keyring = await opened()
  const encrypt = async () => prefixOf((await keyring.encrypt('x')).ciphertext)
  expect(await encrypt()).not.toBe(await encrypt())
  vi.stubEnv('_X_AMZN_TRACE_ID', 'Root=1')
  const [first, same] = [await encrypt(), await encrypt()]
  vi.stubEnv('_X_AMZN_TRACE_ID', 'Root=2')
  const second = await encrypt()
  expect([same === first, second === first]).toEqual([true, false])
})

it('is told of invocations by a wrapper where there is no trace', async () => {
  const keyring = await opened()
  const handler = invoked(async (count: number) => {
    const { ciphertext } = await keyring.encrypt('x')
    return [count, prefixOf(ciphertext), prefixOf(keyring.sync.encrypt('y').ciphertext)] as const
  })
  const [[, a, b], [count, c]] = [await handler(1), await handler(2)]
  expect([a === b, a === c, count]).toEqual([true, false, 2])
})

it('names what it lacks', async () => {
  await expect(openKeyring({ KEYRING_WRAPPING_KEYS: KEY, KEYRING_TABLE: 'a b' })).rejects.toMatchObject({
    code: 'ERR_CONFIG_INVALID',
    message: expect.stringMatching(/^KEYRING_TABLE must be the name of a DynamoDB table; AWS_REGION is required/),
  })
})
