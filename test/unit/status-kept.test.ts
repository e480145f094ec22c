/** The status of a keyring of many keys is asked for again and again: of one revision its keys are shown once. */
import { expect, it } from 'vitest'
import { PLAIN_SYNC, keyringOn, world } from '../support/authority.ts'
import { httpOn } from '../support/http.ts'

async function synced() {
  const on = world(['k1:1', 'k2:2'])
  const keyring = await keyringOn(on)
  await keyring.sync(PLAIN_SYNC)
  return { on, keyring }
}

it('keeps the keys of a revision, and shows those of the next one', async () => {
  const { keyring } = await synced()
  const { keys } = await keyring.status()
  expect((await keyring.status()).keys).toBe(keys)
  await keyring.change({ op: 'compromise', id: 'k1', force: false })
  const after = await keyring.status()
  expect(after.keys).not.toBe(keys)
  expect(after.keys).toContainEqual(expect.objectContaining({ id: 'k1', state: 'compromised' }))
})

it('is answered as it is, before and after a change', async () => {
  const { on, keyring } = await synced()
  const app = httpOn({
    authenticate: () => ({ name: 'test', grants: new Set(['read']) }),
    keyring: () => keyring,
    clock: on.clock,
  })
  const asked = async () => (await app.fetch(new Request('http://localhost/keyrings/default'))).json()
  expect(await asked()).toEqual(await keyring.status())
  on.clock.time += 60_000
  await keyring.change({ op: 'compromise', id: 'k1', force: false })
  expect(await asked()).toEqual(await keyring.status())
})
