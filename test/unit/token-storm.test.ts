/** A whole deployment starts cold, and holders of the lease die: how many logins that costs. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { sqliteStore } from '../../functions/node/sqlite-store.ts'
import type { KeyringError } from '../../src/core/errors.ts'
import type { RecordStore } from '../../src/core/ports.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { FakeVault, OUTAGE, READ, REFUSED, instance } from '../support/fake-vault.ts'

const INSTANCES = 50
const REQUESTS = 500
const HOUR = 3_600_000
const forever = new Promise<never>(() => {})

/** An instance that stops at its put of a token's state of that number: before it, or when it is done. */
function dyingAt(store: RecordStore, put: number, when: 'before' | 'after'): RecordStore {
  let puts = 0
  return {
    get: (name) => (puts < put ? store.get(name) : forever),
    async put(...write) {
      if (!write[0].startsWith('token/')) return store.put(...write)
      puts += 1
      if (puts > put || (puts === put && when === 'before')) return forever
      const written = await store.put(...write)
      return puts === put ? forever : written
    },
  }
}

for (const kind of ['memory', 'SQLite'])
  describe(`with a store in ${kind}`, { timeout: 60_000 }, () => {
    let folder: string
    let handles: (RecordStore & { close?: () => void })[]
    let test = 0

    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
      const memory = memoryStore()
      handles = Array.from({ length: INSTANCES }, () => (kind === 'memory' ? memory : sqliteStore(join(folder, 'db'))))
    })
    beforeEach(() => (test += 1))
    afterAll(() => {
      for (const { close } of handles) close?.()
      rmSync(folder, { recursive: true })
    })

    const open = (): RecordStore => handles[0] ?? memoryStore()
    /** Each test has a login of its own. */
    const one = (vault: FakeVault, store = open()) =>
      instance(vault, store, { random: Math.random, credential: () => `of test ${test}` })

    /** 500 requests at once on 50 instances with nothing in their memory. */
    async function storm(vault: FakeVault, count = REQUESTS) {
      const cold = handles.map((store) => one(vault, store))
      const requests = Array.from({ length: count }, (_, at) => cold[at % INSTANCES]?.read())
      const outcomes = await vault.clock.run(Promise.allSettled(requests))
      return outcomes.flatMap((each) => (each.status === 'rejected' ? [(each.reason as KeyringError).code] : []))
    }

    it('500 requests on 50 cold instances cost one login', async () => {
      const vault = new FakeVault()
      expect(await storm(vault)).toEqual([])
      expect([vault.logins.length, vault.reads.length]).toEqual([1, REQUESTS])
    })

    it('and one more when the token is revoked under them', async () => {
      const vault = new FakeVault()
      await storm(vault)
      vault.revoke('token-1')
      expect(await storm(vault)).toEqual([])
      expect(vault.logins).toHaveLength(2)
    })

    it('when the login is refused: one login, and everybody hears why', async () => {
      const vault = new FakeVault()
      vault.refuses = REFUSED
      expect(await storm(vault)).toEqual(Array.from({ length: REQUESTS }, () => 'ERR_VAULT_LOGIN_REFUSED'))
      expect(vault.logins).toHaveLength(1)
    })

    it('when Vault is down: at most six logins in any minute, however many ask', async () => {
      const vault = new FakeVault()
      vault.refuses = OUTAGE
      const from = vault.clock.time
      while (vault.clock.time < from + 70_000) {
        expect(new Set(await storm(vault, 100))).toEqual(new Set(['ERR_VAULT_SEALED']))
        vault.clock.time += 6000
      }
      const within = (start: number) => vault.logins.filter((time) => time >= start && time < start + 60_000).length
      expect(Math.max(...vault.logins.map(within))).toBeLessThanOrEqual(6)
    })

    it.each([
      ['when it has taken the lease', 1, 'after', 1],
      ['when it has logged in, before it wrote that', 2, 'before', 2],
      ['when it has written the token', 2, 'after', 1],
    ] as const)('a holder that dies %s', async (_name, put, when, logins) => {
      const vault = new FakeVault()
      const dying = one(vault, dyingAt(open(), put, when))
      void dying.read()
      await vault.clock.run(vault.clock.sleep(vault.latencyMs, READ.signal))
      const from = vault.clock.time
      expect(await storm(vault)).toEqual([])
      expect(vault.logins).toHaveLength(logins)
      expect(vault.clock.time - from).toBeLessThan(when === 'after' && put === 2 ? 1000 : 35_000)
    })

    it('three holders that die, one after the other, cost three logins more', async () => {
      const vault = new FakeVault()
      for (let deaths = 0; deaths < 3; deaths += 1) {
        void one(vault, dyingAt(open(), 2, 'before')).read()
        await vault.clock.run(vault.clock.sleep(30_001, READ.signal))
      }
      expect(await storm(vault)).toEqual([])
      expect(vault.logins).toHaveLength(4)
    })

    it('a holder that dies while it renews: the token stays in use, and the next one renews it', async () => {
      const vault = new FakeVault()
      const store = open()
      await vault.clock.run(one(vault, store).read())
      vault.clock.time += HOUR * 0.8
      void one(vault, dyingAt(store, 2, 'before')).read()
      await vault.clock.run(vault.clock.sleep(1000, READ.signal))
      expect(await storm(vault)).toEqual([])
      expect([vault.logins.length, vault.renewals.length]).toEqual([1, 1])
      vault.clock.time += 30_000
      expect(await storm(vault)).toEqual([])
      expect([vault.logins.length, vault.renewals.length]).toEqual([1, 2])
    })

    it('a holder that comes too late undoes what it did', async () => {
      const vault = new FakeVault()
      vault.latencyMs = 40_000
      const late = one(vault).read()
      await vault.clock.run(vault.clock.sleep(31_000, READ.signal))
      vault.latencyMs = 20
      expect(await storm(vault)).toEqual([])
      await vault.clock.run(late)
      expect(vault.logins).toHaveLength(2)
      expect(vault.revoked).toEqual(['token-1'])
    })

    it('whoever cannot wait for a login is told when to come again', async () => {
      const vault = new FakeVault()
      vault.latencyMs = 5000
      const caller = new AbortController()
      void one(vault).read()
      await vault.clock.run(vault.clock.sleep(1, READ.signal))
      const waiting = one(vault).life.token(caller.signal)
      await vault.clock.run(vault.clock.sleep(1000, READ.signal))
      caller.abort()
      await expect(waiting).rejects.toMatchObject({ code: 'ERR_LEASE_HELD', facts: { retryAfterSeconds: 5 } })
      await vault.clock.run(vault.clock.sleep(5000, READ.signal))
      expect(vault.logins).toHaveLength(1)
    })
  })
