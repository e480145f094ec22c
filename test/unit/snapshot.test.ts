/** An instance far from its authority, as on Workers: every band of a snapshot's age, under a clock that stands still. */
import { describe, expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { utf8 } from '../../src/core/bytes.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { KeyringError } from '../../src/core/errors.ts'
import type { AuditEvent, Replica } from '../../src/core/ports.ts'
import { encryptBoundMs, replicaAgeMs, useOf } from '../../src/keyring/freshness.ts'
import { sealers } from '../../src/crypto/seal.ts'
import { Keyring } from '../../src/keyring/keyring.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { Snapshot } from '../../src/keyring/snapshot.ts'
import { View } from '../../src/keyring/view.ts'
import { MAX_RECORD_AGE_MS, PLAIN_SYNC, authorityOn, world, wrappingKey } from '../support/authority.ts'
import type { World } from '../support/authority.ts'
import type { Verbs } from '../support/verbs.ts'
import { verbsOf, withRead } from '../support/verbs.ts'

const NONE = utf8('')
const [SECOND, MINUTE, HOUR] = [1000, 60_000, 3_600_000]
const FRESHNESS = { freshMs: MINUTE, backgroundMs: 5 * MINUTE, pauseMs: 5 * SECOND }
const REPLICA_MS = 20 * MINUTE
const AGES = { stampMs: REPLICA_MS, recordMs: MAX_RECORD_AGE_MS }
const code = (expected: string) => expect.objectContaining({ code: expected })
const DOWN = { ok: false as const, error: new KeyringError('ERR_AUTHORITY_UNAVAILABLE', 'Gone.') }

interface FakeReplica extends Replica {
  held: Map<string, Bytes>
  refuses: boolean
}

function fakeReplica(): FakeReplica {
  const replica: FakeReplica = {
    held: new Map<string, Bytes>(),
    refuses: false,
    get: async (name) => replica.held.get(name) ?? null,
    async set(name, bytes) {
      if (replica.refuses) return false
      replica.held.set(name, bytes)
      return true
    },
  }
  return replica
}

/** One instance: what it asked, what it noted, and what it does after an answer. */
async function instance(on: World, replica: Replica | null = on.replica ?? null, origin = authorityOn(on)) {
  const asked: string[] = []
  const noted: AuditEvent[] = []
  const behind: Promise<void>[] = []
  let sample: string | undefined
  const link: Pick<Verbs, 'read'> = { read: (...given) => origin.read(...given) }
  const keyring = await Keyring.open('default', {
    authority: withRead(origin, (...given) => {
      asked.push('authority')
      return link.read(...given)
    }),
    replica: replica && {
      ...replica,
      get: (name) => {
        // Record and stamp are read side by side.
        if (!name.startsWith('stamp')) asked.push('replica')
        return replica.get(name)
      },
    },
    background: (work) => behind.push(work),
    audit: { note: (event) => noted.push(event) },
    cipher: nodeCipher,
    hash: nodeHash,
    clock: on.clock,
    wrappingKeys: [wrappingKey('w1', 1)],
    freshness: FRESHNESS,
    ages: AGES,
    siblings: 1,
  })
  return {
    keyring,
    link,
    noted,
    /** Since the last look. */
    asked: () => asked.splice(0),
    settled: async () => {
      const pending = behind.splice(0)
      await Promise.all(pending)
      return pending.length
    },
    active: async () => (await keyring.encrypt(NONE, NONE)).keyId,
    /** The key of a value that was encrypted when it was asked first. */
    decrypted: async () =>
      (await keyring.decrypt((sample ??= (await keyring.encrypt(NONE, NONE)).ciphertext), NONE)).keyId,
  }
}

/** A world with a replica, synced and stamped. */
async function near(...versions: string[]) {
  const on = { ...world(versions), replica: fakeReplica() }
  const authority = authorityOn(on)
  const stamp = () => authority.syncIfDue('default')
  const rotate = async (...next: string[]) => {
    on.versions = next
    await authority.sync('default', PLAIN_SYNC)
  }
  await authority.sync('default', PLAIN_SYNC)
  await stamp()
  return { on, replica: on.replica, authority, rotate, stamp }
}

type Near = Awaited<ReturnType<typeof near>>

async function warm(on: World) {
  const made = await instance(on)
  await made.decrypted()
  await made.settled()
  made.asked()
  return made
}

describe('what is done with a snapshot', () => {
  const at = (age: number, started = Number.POSITIVE_INFINITY, isHeld = true) => useOf(FRESHNESS, isHeld, age, started)

  it.each([
    [0, 'as-it-is'],
    [MINUTE - 1, 'as-it-is'],
    [MINUTE, 'and-refresh'],
    [5 * MINUTE - 1, 'and-refresh'],
    [5 * MINUTE, 'after-refresh'],
    [HOUR, 'after-refresh'],
  ])('of %i ms: %s', (age, use) => expect(at(age)).toBe(use))

  it('is nothing while a refresh began less than the pause ago, however old it is', () => {
    expect([at(HOUR, 4999), at(HOUR, 5000)]).toEqual(['as-it-is', 'after-refresh'])
  })

  it('is looked at again after the pause when there is nothing, and at once when nobody has looked', () => {
    expect([at(4999, 4999, false), at(5000, 5000, false), at(Number.POSITIVE_INFINITY, 0, false)]).toEqual([
      'as-it-is',
      'after-refresh',
      'after-refresh',
    ])
  })

  it('is never refreshed in the background where the authority is in this process', () => {
    const here = { freshMs: 1000, backgroundMs: 1000, pauseMs: 0 }
    expect([useOf(here, true, 999, 999), useOf(here, true, 1000, 0)]).toEqual(['as-it-is', 'after-refresh'])
  })

  it('bounds how long a key is encrypted with after it stopped: with a replica two periods of 600 s or more are added, and always 30 s', () => {
    expect([null, 60_000, 600_000, 3_600_000].map(replicaAgeMs)).toEqual([1_200_000, 1_200_000, 1_200_000, 7_200_000])
    expect(encryptBoundMs({ readersMs: 1_500_000 })).toBe(1_530_000)
  })
})

describe('a warm instance', () => {
  it('asks nobody for a minute', async () => {
    const { on } = await near('a:1')
    const { active, asked, keyring } = await warm(on)
    on.clock.time += MINUTE - 1
    expect(await active()).toBe('a')
    expect(asked()).toEqual([])
    expect(keyring.warning).toBeNull()
  })

  it('then answers at once, and looks at the replica in the background', async () => {
    const { on, rotate } = await near('a:1')
    const { active, asked, settled } = await warm(on)
    await rotate('a:1', 'b:2')
    on.clock.time += MINUTE
    expect(await active()).toBe('a')
    expect(await settled()).toBe(1)
    expect(asked()).toEqual(['replica'])
    expect(await active()).toBe('b')
    on.clock.time += MINUTE - 1
    expect([await active(), asked(), await settled()]).toEqual(['b', [], 0])
  })

  it('starts one refresh in five seconds', async () => {
    const { on, replica } = await near('a:1')
    const { active, asked, settled, link } = await warm(on)
    replica.held.clear()
    link.read = async () => DOWN
    on.clock.time += MINUTE
    for (let request = 0; request < 5; request += 1) await active()
    expect(await settled()).toBe(1)
    on.clock.time += 4999
    await active()
    expect(await settled()).toBe(0)
    on.clock.time += 1
    await active()
    expect([await settled(), asked()]).toEqual([1, ['replica', 'authority', 'replica', 'authority']])
  })

  it('refreshes first from five minutes on', async () => {
    const { on, rotate } = await near('a:1')
    const { active, asked, settled } = await warm(on)
    await rotate('a:1', 'b:2')
    on.clock.time += 5 * MINUTE
    expect(await active()).toBe('b')
    expect([asked(), await settled()]).toEqual([['replica'], 0])
  })

  it('asks the authority where the stamp is older than two periods, or the replica has nothing or lags', async () => {
    const { on, replica, rotate } = await near('a:1')
    const { active, asked } = await warm(on)
    on.clock.time += REPLICA_MS
    await active()
    expect(asked()).toEqual(['replica'])
    on.clock.time += 5 * MINUTE
    await active()
    expect(asked()).toEqual(['replica', 'authority'])
    replica.refuses = true
    await rotate('a:1', 'b:2')
    on.clock.time += 5 * MINUTE
    expect([await active(), asked()]).toEqual(['b', ['replica', 'authority']])
    replica.held.clear()
    on.clock.time += 5 * MINUTE
    expect([await active(), asked()]).toEqual(['b', ['replica', 'authority']])
  })

  it('does not go back to a replica that is stale by minutes', async () => {
    const { on, replica, rotate } = await near('a:1')
    const { active, keyring, asked } = await warm(on)
    const stale = new Map(replica.held)
    await rotate('a:1', 'b:2')
    await keyring.sync(PLAIN_SYNC)
    replica.held = stale
    on.clock.time += 5 * MINUTE
    asked()
    expect([await active(), asked()]).toEqual(['b', ['replica', 'authority']])
    expect(keyring.warning).toBeNull()
  })

  it('decrypts with a warning when nobody can be asked, encrypts no more, and drops both with the next answer', async () => {
    const { on, replica } = await near('a:1')
    const { active, decrypted, keyring, link, asked } = await warm(on)
    const { read } = link
    replica.held.clear()
    link.read = async () => DOWN
    on.clock.time += 5 * MINUTE + 1
    expect([await decrypted(), keyring.warning, asked()]).toEqual([
      'a',
      'ERR_AUTHORITY_UNAVAILABLE',
      ['replica', 'authority'],
    ])
    await expect(active()).rejects.toMatchObject({ code: 'ERR_SNAPSHOT_STALE', facts: { retryAfterSeconds: 5 } })
    expect([await decrypted(), asked()]).toEqual(['a', []])
    link.read = read
    on.clock.time += 5 * SECOND
    expect([await active(), keyring.warning]).toEqual(['a', null])
  })

  it('encrypts by a refresh of its own while somebody else’s is under way', async () => {
    const { on, replica } = await near('a:1')
    const { active, asked, link } = await warm(on)
    const { read } = link
    replica.held.clear()
    on.clock.time += 5 * MINUTE + 1
    let answer = (): void => {}
    link.read = (...given) => new Promise((resolve) => (answer = () => resolve(read(...given))))
    const first = active()
    await expect.poll(asked).toContain('authority')
    link.read = read
    expect(await active()).toBe('a')
    answer()
    expect(await first).toBe('a')
  })

  it('has it without a promise while it is fresh, and while it is refreshed in the background', async () => {
    const { on } = await near('a:1')
    const authority = authorityOn(on)
    const set = await sealers(nodeCipher, nodeHash, [wrappingKey('w1', 1)], 'default')
    const behind: Promise<void>[] = []
    const parts = { ...on, authority, audit: { note: () => {} }, freshness: FRESHNESS, ages: AGES, siblings: 1 }
    const snapshot = new Snapshot({ ...parts, background: (work) => behind.push(work) }, set, 'default')
    await snapshot.view()
    await Promise.all(behind.splice(0))
    on.clock.time += MINUTE - 1
    expect(snapshot.view()).toBeInstanceOf(View)
    on.clock.time += 1
    expect(snapshot.view()).toBeInstanceOf(View)
    await Promise.all(behind)
  })

  it('uses at once what its own sync has answered, whatever the replica has', async () => {
    const { on, replica } = await near('a:1')
    const { active, keyring, asked } = await warm(on)
    replica.refuses = true
    on.versions = ['a:1', 'b:2']
    await keyring.sync(PLAIN_SYNC)
    expect([await active(), asked()]).toEqual(['b', []])
  })

  it('looks at the authority after a sync that failed, unless that cannot be reached', async () => {
    const { on, authority } = await near('a:1')
    const { active, keyring, asked } = await warm(on)
    on.versions = ['a:1', 'b:2']
    await authority.sync('default', PLAIN_SYNC)
    on.versions = new KeyringError('ERR_VAULT_SEALED', 'Vault is sealed.')
    await expect(keyring.sync(PLAIN_SYNC)).rejects.toThrow(code('ERR_VAULT_SEALED'))
    expect([await active(), asked()]).toEqual(['b', ['authority']])
    const cut = await instance(on, null, verbsOf(distantAuthority(async () => DOWN)))
    await expect(cut.keyring.sync(PLAIN_SYNC)).rejects.toThrow(code('ERR_AUTHORITY_UNAVAILABLE'))
    expect(cut.asked()).toEqual([])
  })
})

describe('a cold instance', () => {
  it('encrypts by the replica alone while the stamp is younger than two periods', async () => {
    const { on } = await near('a:1')
    on.clock.time += REPLICA_MS
    const cold = await instance(on)
    cold.link.read = async () => DOWN
    expect([await cold.active(), cold.asked(), cold.keyring.warning]).toEqual(['a', ['replica'], null])
    expect(await cold.settled()).toBe(0)
  })

  it('asks the authority once for many requests that come at the same time and decrypt', async () => {
    const { on, replica } = await near('a:1')
    const { ciphertext } = await (await instance(on)).keyring.encrypt(NONE, NONE)
    replica.held.delete('stamp/default')
    const cold = await instance(on)
    await Promise.all(Array.from({ length: 8 }, () => cold.keyring.decrypt(ciphertext, NONE)))
    expect(cold.asked().filter((who) => who === 'authority')).toHaveLength(1)
  })

  it.each([
    ['is older than two periods', async ({ on }: Near) => (on.clock.time += REPLICA_MS + 1)],
    [
      'is ahead',
      async ({ on, stamp }: Near) => {
        on.clock.time += REPLICA_MS
        await stamp()
        on.clock.time -= REPLICA_MS
      },
    ],
    ['is missing', async ({ replica }: Near) => replica.held.delete('stamp/default')],
    [
      'was altered',
      async ({ replica }: Near) =>
        replica.held.set('stamp/default', replica.held.get('stamp/default')?.map((byte) => byte ^ 1) ?? NONE),
    ],
    [
      'is of a later revision than the copy',
      async ({ on, replica, rotate, stamp }: Near) => {
        const copy = replica.held.get('keyring/default') ?? NONE
        on.clock.time += REPLICA_MS
        await rotate('a:1', 'b:2')
        await stamp()
        replica.held.set('keyring/default', copy)
      },
    ],
  ])('asks the authority first where the stamp %s, and decrypts only where that is down', async (_name, spoil) => {
    const made = await near('a:1')
    const ciphertext = (await (await instance(made.on)).keyring.encrypt(NONE, NONE)).ciphertext
    await spoil(made)
    const up = await instance(made.on)
    await up.active()
    expect(up.asked()).toEqual(['replica', 'authority'])
    const cold = await instance(made.on)
    cold.link.read = async () => DOWN
    await expect(cold.active()).rejects.toThrow(code('ERR_SNAPSHOT_STALE'))
    expect((await cold.keyring.decrypt(ciphertext, NONE)).keyId).toBe('a')
    expect([cold.keyring.warning, (await cold.keyring.record())?.active]).toEqual(['ERR_AUTHORITY_UNAVAILABLE', 'a'])
  })

  it('lists what the replica has when the authority is down', async () => {
    const { on } = await near('a:1')
    const cold = await instance(on)
    cold.link.read = async () => DOWN
    expect((await cold.keyring.record())?.active).toBe('a')
    expect(cold.keyring.warning).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })

  it('asks the authority where there is no replica, or an empty one', async () => {
    const { on, replica } = await near('a:1')
    replica.held.clear()
    for (const cold of [await instance(on), await instance(on, null)]) {
      expect(await cold.active()).toBe('a')
      expect(cold.asked().at(-1)).toBe('authority')
    }
  })

  it('fails when neither has anything, and tries again at the next request', async () => {
    const on = world(['a:1'])
    const cold = await instance(on, fakeReplica())
    cold.link.read = async () => DOWN
    await expect(cold.active()).rejects.toThrow(code('ERR_AUTHORITY_UNAVAILABLE'))
    await expect(cold.active()).rejects.toThrow(code('ERR_AUTHORITY_UNAVAILABLE'))
  })

  it('before the first sync looks again after the pause', async () => {
    const on = world(['a:1'])
    const cold = await instance(on)
    await expect(cold.active()).rejects.toThrow(code('ERR_NO_ACTIVE_KEY'))
    await authorityOn(on).sync('default', PLAIN_SYNC)
    await expect(cold.active()).rejects.toThrow(code('ERR_NO_ACTIVE_KEY'))
    on.clock.time += 5 * SECOND
    expect(await cold.active()).toBe('a')
  })
})

describe('an unknown key', () => {
  const unknown = async (on: World, replica: Replica) => {
    const foreign = await (await instance({ ...on, store: memoryStore() }, null)).keyring
    await foreign.sync(PLAIN_SYNC)
    const made = await warm({ ...on, replica })
    const { ciphertext } = await foreign.encrypt(NONE, NONE)
    return {
      ...made,
      decrypt: (id: string) => made.keyring.decrypt(ciphertext.replace(/^ek1\.\w+/, `ek1.${id}`), NONE),
    }
  }

  it('is the authority’s word, not the replica’s, once in five seconds', async () => {
    const { on, replica } = await near('a:1')
    const { decrypt, asked } = await unknown(on, replica)
    await expect(decrypt('zz')).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
    expect(asked()).toEqual(['authority'])
    await expect(decrypt('yy')).rejects.toThrow(code('ERR_KEY_UNVERIFIED'))
    on.clock.time += 4999
    await expect(decrypt('zz')).rejects.toThrow(code('ERR_KEY_UNVERIFIED'))
    expect(asked()).toEqual([])
    on.clock.time += 1
    await expect(decrypt('zz')).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
  })

  it('is not said when the authority cannot be asked', async () => {
    const { on, replica } = await near('a:1')
    const { decrypt, link } = await unknown(on, replica)
    link.read = async () => DOWN
    await expect(decrypt('zz')).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_KEY_UNVERIFIED', facts: expect.objectContaining({ retryAfterSeconds: 5 }) }),
    )
  })
})

describe('a replica that cannot be believed', () => {
  const REFUSED = [{ action: 'replica', outcome: 'refused', code: 'ERR_REPLICA_INVALID', keyring: 'default' }]

  it.each([
    ['with a wrong MAC', (bytes: Bytes) => bytes.map((byte, index) => (index === bytes.length - 2 ? byte ^ 1 : byte))],
    ['with another first line', (bytes: Bytes) => utf8(`ekr1 w9 AAAA\n${bytes.length}`)],
    ['that is no record', () => utf8('hello')],
  ])('%s is noted, and the authority asked', async (_name, spoil) => {
    const { on, replica } = await near('a:1')
    replica.held.set('keyring/default', spoil(replica.held.get('keyring/default') ?? NONE))
    const cold = await instance(on)
    expect([await cold.active(), cold.asked()]).toEqual(['a', ['replica', 'authority']])
    expect(cold.noted).toMatchObject(REFUSED)
  })

  it('because it is of another keyring, is noted, and the authority asked', async () => {
    const { on, replica } = await near('a:1')
    await authorityOn(on, undefined, ['orders']).sync('orders', PLAIN_SYNC)
    replica.held.set('keyring/default', replica.held.get('keyring/orders') ?? NONE)
    const cold = await instance(on)
    expect([await cold.active(), cold.asked()]).toEqual(['a', ['replica', 'authority']])
    expect(cold.noted).toMatchObject(REFUSED)
  })

  it('because it is ahead of the authority, gives way to it, and is noted', async () => {
    const { on, replica } = await near('a:1')
    const ahead = { ...world(['a:1', 'z:9']), clock: on.clock, replica }
    on.clock.time += 1
    await authorityOn(ahead).sync('default', PLAIN_SYNC)
    const cold = await instance(on)
    expect(await cold.active()).toBe('z')
    await cold.keyring.record()
    expect([await cold.active(), cold.keyring.warning]).toEqual(['a', null])
    expect(cold.noted).toMatchObject(REFUSED)
  })

  it('because the authority was never synced, gives way to it, and is noted', async () => {
    const { replica, on } = await near('a:1')
    const empty = { ...on, store: memoryStore() }
    const cold = await instance(empty, replica)
    expect(await cold.active()).toBe('a')
    await cold.keyring.record()
    await expect(cold.active()).rejects.toThrow(code('ERR_NO_ACTIVE_KEY'))
    expect(cold.noted).toMatchObject(REFUSED)
  })

  it('is confirmed by the authority’s "unchanged": an older word is a rollback from then on', async () => {
    const { on, replica } = await near('a:1')
    const cold = await instance(on)
    await cold.active()
    await cold.keyring.record()
    cold.link.read = async () => ({ ok: true, value: null })
    await cold.keyring.record()
    expect([await cold.active(), cold.keyring.warning, cold.noted]).toEqual(['a', 'ERR_RECORD_ROLLED_BACK', []])
    expect([...replica.held.keys()]).toEqual(['keyring/default', 'stamp/default'])
  })

  it('does not excuse an authority that went back behind its own word', async () => {
    const { on } = await near('a:1')
    const { keyring, link, active, noted } = await warm(on)
    const earlier = await authorityOn(on).read('default', 0)
    on.versions = ['a:1', 'b:2']
    await keyring.sync(PLAIN_SYNC)
    link.read = async () => earlier
    await keyring.record()
    expect([await active(), keyring.warning, noted]).toEqual(['b', 'ERR_RECORD_ROLLED_BACK', []])
  })
})

describe('answers that overtake each other', () => {
  it('leave the newer record: a slow read does not undo a sync, nor call it a rollback', async () => {
    const { on, authority } = await near('a:1')
    const { keyring, link, active } = await warm(on)
    on.versions = ['a:1', 'b:2']
    await authority.sync('default', PLAIN_SYNC)
    const slow = await authority.read('default', 0)
    let answer: (value: typeof slow) => void = () => {}
    link.read = () => new Promise((resolve) => (answer = resolve))
    const reading = keyring.record()
    on.versions = ['a:1', 'b:2', 'c:3']
    await keyring.sync(PLAIN_SYNC)
    answer(slow)
    await reading
    expect([await active(), keyring.warning]).toEqual(['c', null])
  })
})

describe('a record that nobody has sealed for a week', () => {
  it('is not taken from a replica', async () => {
    const { on } = await near('a:1')
    on.clock.time += MAX_RECORD_AGE_MS + 1
    const cold = await instance(on)
    cold.link.read = async () => DOWN
    await expect(cold.active()).rejects.toThrow(code('ERR_AUTHORITY_UNAVAILABLE'))
  })

  it('is used from the authority with a warning, noted once, until a sync seals it anew', async () => {
    const { on } = await near('a:1')
    on.clock.time += MAX_RECORD_AGE_MS + 1
    const { keyring, active, noted } = await warm(on)
    expect([await active(), keyring.warning]).toEqual(['a', 'ERR_RECORD_OUTDATED'])
    await keyring.record()
    expect(noted).toMatchObject([{ action: 'record', outcome: 'ok', code: 'ERR_RECORD_OUTDATED' }])
    expect((await keyring.status()).needed).toEqual([
      expect.stringMatching(/^Sync: nobody has sealed/),
      expect.stringMatching(/^Nothing has been noted/),
    ])
    expect(await keyring.sync(PLAIN_SYNC)).toMatchObject({ changed: false })
    expect([keyring.warning, (await keyring.status()).needed]).toEqual([null, []])
  })
})
