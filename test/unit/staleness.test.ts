/** How old is too old is the operator's word: encryption and readiness stop then, decryption never. */
import { describe, expect, it } from 'vitest'
import { KeyringError, settle } from '../../src/core/errors.ts'
import type { KeyringAuthority } from '../../src/core/operations.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world } from '../support/authority.ts'

const HOUR = 3_600_000
const TEXT = new TextEncoder().encode('x')
const NONE = new Uint8Array()
const OLD = { code: 'ERR_SNAPSHOT_STALE', facts: { retryAfterSeconds: 5 } }

/** An instance beside an authority that counts what it is asked, and that may be out of reach. */
async function instance(maxStalenessMs: number | null) {
  const on = world(['a:1'])
  const own = authorityOn(on)
  const asked: string[] = []
  let isAway = false
  const authority: KeyringAuthority = distantAuthority(async (message) => {
    asked.push(message.call)
    if (isAway) return { ok: false, error: new KeyringError('ERR_AUTHORITY_UNAVAILABLE', 'Away.') }
    return own.call(message)
  })
  const open = () =>
    keyringOn(on, undefined, authority, {
      freshness: { freshMs: 60_000, backgroundMs: 300_000, pauseMs: 5000 },
      maxStalenessMs,
    })
  await own.sync('default', PLAIN_SYNC)
  const leave = (leaves: boolean) => (isAway = leaves)
  return { on, own, asked, open, leave, keyring: await open() }
}

describe('a keyring whose last sync is too old', () => {
  it('does not encrypt and is not ready, warm and cold, until a sync succeeds; it decrypts all the while', async () => {
    const { on, own, open, keyring } = await instance(HOUR)
    const { ciphertext } = await keyring.encrypt(TEXT, NONE)
    on.versions = new KeyringError('ERR_VAULT_SEALED', 'Sealed.')
    on.clock.time += HOUR + 1
    await own.sync('default', PLAIN_SYNC)
    for (const each of [keyring, await open()]) {
      await expect(each.encrypt(TEXT, NONE)).rejects.toMatchObject(OLD)
      await expect(each.isUsable()).rejects.toMatchObject(OLD)
      expect((await each.decrypt(ciphertext, NONE)).keyId).toBe('a')
    }
    on.versions = ['a:1']
    await own.sync('default', PLAIN_SYNC)
    on.clock.time += 5000
    expect((await keyring.encrypt(TEXT, NONE)).keyId).toBe('a')
    expect(await keyring.isUsable()).toBe(true)
  })

  it('asks the authority when what it knows is too old, and no more than once in 5 s', async () => {
    const { on, asked, keyring } = await instance(HOUR)
    const statuses = () => asked.splice(0).filter((call) => call === 'status').length
    for (let times = 0; times < 5; times += 1) await keyring.encrypt(TEXT, NONE)
    expect(statuses()).toBe(1)
    on.clock.time += HOUR + 1
    for (let times = 0; times < 5; times += 1) await settle(async () => keyring.encrypt(TEXT, NONE))
    expect(statuses()).toBe(1)
  })

  it('counts as that where nobody can say when it was', async () => {
    const { open, leave, keyring, on } = await instance(HOUR)
    await keyring.encrypt(TEXT, NONE)
    leave(true)
    on.clock.time += 30_000
    expect((await keyring.encrypt(TEXT, NONE)).keyId).toBe('a')
    await expect((await open()).encrypt(TEXT, NONE)).rejects.toMatchObject(OLD)
  })

  it('is none unless the operator says so: nobody is asked for it, however long Vault is down', async () => {
    const { on, asked, keyring } = await instance(null)
    on.clock.time += 1000 * 24 * HOUR
    expect((await keyring.encrypt(TEXT, NONE)).keyId).toBe('a')
    expect(await keyring.isUsable()).toBe(true)
    expect(asked).not.toContain('status')
  })
})
