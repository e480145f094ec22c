/** Eight days of the simulation; `npx node bench/simulation.ts` is the month. And a minute in which everybody begins anew. */
import { expect, it } from 'vitest'
import { simulate } from '../../bench/simulation.ts'
import { FRESHNESS } from '../../functions/cloudflare/limits.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import { memoryReplica, openIsolate } from '../explore/isolate.ts'
import { PLAIN_SYNC, authorityOn, world, wrappingKey } from '../support/authority.ts'
import { rememberingCipher } from '../support/ciphers.ts'

const NONE = new Uint8Array()

it('in eight days of late copies, clocks that differ and an absent Vault, every encrypt and decrypt succeeds', async () => {
  const { rows, failures } = await simulate(8)
  expect(failures).toEqual([])
  expect(rows).toMatchObject({ rotations: 1, encrypts: 11_520, 'requests to Vault because of an isolate': 0 })
  expect(rows['encrypts with a key that was replaced already']).toBeGreaterThan(0)
})

it('10,000 cold isolates in a minute, with Vault down, ask neither Vault nor the authority: each reads record and stamp once', async () => {
  const [copy, reads, calls] = [memoryReplica(), new Map<string, number>(), [] as string[]]
  const on = { ...world(['a:1']), replica: copy, cipher: rememberingCipher() }
  const authority = authorityOn(on)
  await authority.sync('default', PLAIN_SYNC)
  await authority.syncIfDue('default')
  on.asked.length = 0
  on.versions = new KeyringError('ERR_VAULT_UNREACHABLE', 'Vault is down.')
  const replica = {
    ...copy,
    get: (name: string) => (reads.set(name, (reads.get(name) ?? 0) + 1), copy.get(name)),
  }
  const asked = distantAuthority((message) => (calls.push(message.call), authority.call(message)))
  const parts = { authority: asked, replica, freshness: FRESHNESS, clock: on.clock, cipher: on.cipher }
  for (let isolate = 0; isolate < 10_000; isolate += 1) {
    on.clock.time += 6
    const keyring = await openIsolate([wrappingKey('w1', 1)], parts)
    expect((await keyring.encrypt(NONE, NONE)).keyId).toBe('a')
  }
  expect(Object.fromEntries(reads)).toEqual({ 'keyring/default': 10_000, 'stamp/default': 10_000 })
  expect([calls, on.asked]).toEqual([[], []])
})
