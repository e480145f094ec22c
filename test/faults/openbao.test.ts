/** The fault matrix with a real OpenBao as the source: one that is sealed, killed in the middle, or put back to an older backup. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { KeyringError } from '../../src/core/errors.ts'
import type { Clock } from '../../src/core/ports.ts'
import { Secret } from '../../src/core/secret.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { kv2Sink } from '../../src/vault/kv/kv2-sink.ts'
import { kv2Source } from '../../src/vault/kv/kv2.ts'
import { givenTokenReader } from '../../src/vault/reader.ts'
import { vaultTransport } from '../../src/vault/wire/transport.ts'
import type { Syncing } from '../support/syncing.ts'
import { syncing } from '../support/syncing.ts'
import type { VaultClient, VaultServer } from '../support/vault.ts'
import { vaultClient, vaultTargets } from '../support/vault.ts'
import type { Bug } from '../explore/scenes.ts'
import type { World } from '../support/authority.ts'
import { PLAIN_SYNC, authorityOn, world } from '../support/authority.ts'
import { numbersOf } from '../support/seed.ts'
import { DurableOpenBao } from './durable-openbao.ts'
import { runSeed } from './schedules.ts'

const SEEDS = 20
const [KILLED_SEEDS, KILLS] = [8, 3]
const NONE = new Uint8Array()
const DOWN = new KeyringError('ERR_VAULT_UNREACHABLE', 'Vault was killed.')
const [, target] = vaultTargets()
const keyOf = (id: string) => ({ id, key: `${id} 0123456789abcdef0123456789abcdef` })

type At = Pick<VaultServer, 'address' | 'token'>

function partsOf({ address, token }: At, path: string) {
  const clock = { now: () => Date.now(), sleep: async () => {} }
  const transport = vaultTransport({ address, namespace: '', timeoutMs: 10_000, fetch, clock })
  const reader = givenTokenReader(transport, new Secret(token))
  return { address, namespace: '', mount: 'faults', path, reader, cipher: nodeCipher, hash: nodeHash }
}

type Around = <T>(call: () => Promise<T>) => Promise<T>

/** What it takes is told to the source in memory too, which the witness looks at; also when the answer got lost. */
function sourceOn(server: At, path: string, around: Around = (call) => call()): Bug {
  const all = partsOf(server, path)
  const [real, writing] = [kv2Source(all), kv2Sink(all)]
  const holds = async (version: number, id: string) => {
    const read = await real.read(version, AbortSignal.timeout(10_000))
    return read.kind === 'key' && read.id === id
  }
  return {
    isSource: true,
    between: {
      source: () => ({ ...real, observe: (signal) => around(() => real.observe(signal)) }),
      sink: (inMemory) => ({
        ...writing,
        async write(pair, expected, signal) {
          const written = await around(() => writing.write(pair, expected, signal)).catch(async (error: unknown) => {
            if (await holds(expected + 1, pair.id)) await inMemory.write(pair, expected, signal)
            throw error
          })
          if (written !== 'conflict') expect(await inMemory.write(pair, expected, signal)).not.toBe('conflict')
          return written
        },
      }),
    },
  }
}

const deploymentOn = ({ address, token }: At, path: string, clock?: Clock) =>
  syncing(
    {
      KEYRING_VAULT_HOST: address,
      KEYRING_VAULT_MOUNT: 'faults',
      KEYRING_VAULT_PATH: path,
      KEYRING_VAULT_TOKEN: token,
    },
    memoryStore(),
    clock,
  )

const rotate = async (made: Syncing | undefined) =>
  made?.authority.call({ call: 'rotate', keyring: 'default', dryRun: false })

describe.skipIf(!target.isAvailable)('with OpenBao', { timeout: 120_000 }, () => {
  let server: VaultServer
  let secrets: VaultClient
  beforeAll(async () => {
    server = await target.open()
    secrets = await vaultClient(server.address, server.token).mount('faults')
  }, 60_000)
  afterAll(() => server.close())

  const deployment = (path: string) => deploymentOn(server, path)
  const sourceAt = (path: string) => sourceOn(server, path)
  it(`${SEEDS} schedules keep every promise`, async () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const path = `ring-${seed}`
      for (const id of ['a', 'b']) await secrets.write(path, keyOf(id))
      expect(await runSeed(seed, { source: sourceAt(path) })).toBeNull()
    }
    const written = await secrets.metadata('ring-1')
    expect(written.current_version).toBeGreaterThan(2)
  })

  it('50 rotations at once, by ten deployments, are one version', async () => {
    await secrets.write('at-once', keyOf('a'))
    const all = await Promise.all(Array.from({ length: 10 }, () => deployment('at-once')))
    for (const each of all) await each.sync()
    const outcomes = await Promise.all(Array.from({ length: 50 }, (_, at) => rotate(all[at % all.length])))
    expect(outcomes.filter((each) => each?.ok && each.value.rotated)).toHaveLength(1)
    expect((await secrets.metadata('at-once')).current_version).toBe(2)
    for (const each of all) await each.sync()
    expect(new Set(await Promise.all(all.map(async (each) => (await each.shown()).active))).size).toBe(1)
    for (const each of all) await each.close()
  })

  it('sealed: no key is lost, encryption goes on, and the rotation that was refused is made later', async () => {
    await secrets.write('sealed', keyOf('a'))
    const made = await deployment('sealed')
    await made.sync()
    await secrets.seal()
    expect(await rotate(made)).toMatchObject({ ok: false, error: { code: 'ERR_VAULT_SEALED' } })
    const { ciphertext } = await made.keyring.encrypt(new Uint8Array([1]), new Uint8Array())
    await secrets.unseal(server.unsealKey)
    expect(await rotate(made)).toMatchObject({ ok: true, value: { rotated: true, version: 2 } })
    expect((await made.keyring.decrypt(ciphertext, new Uint8Array())).keyId).toBe('a')
    await made.close()
  })

  it('two deployments with two cadences, one with a stale record, write one version for a time they share', async () => {
    await secrets.write('cadences', keyOf('a'))
    const { versions } = await secrets.metadata('cadences')
    const slot = Date.parse(versions['1']?.created_time ?? '') + 60_000
    const all = partsOf(server, 'cadences')
    const between: World['between'] = {
      // The source says that it is two minutes later, and that what was written since was written then.
      source: () => ({
        ...kv2Source(all),
        observe: async (signal) => {
          const seen = await kv2Source(all).observe(signal)
          const versions = seen?.versions.map((each) => laterBy(each)) ?? []
          return seen && { ...seen, versions, sourceMs: seen.sourceMs + LATER_MS }
        },
        read: async (version, signal) => laterBy(await kv2Source(all).read(version, signal)),
      }),
      sink: () => ({
        ...kv2Sink(all),
        async write(...args) {
          const written = await kv2Sink(all).write(...args)
          return written === 'conflict' ? written : laterBy({ ...written, version: 3 })
        },
      }),
    }
    const deploymentWith = (slots: readonly number[]): World => ({
      ...world([]),
      between,
      rotation: {
        cadence: { after: (since) => slots.find((each) => each > since) ?? null },
        delayMs: 0,
        prunesHeld: false,
      },
    })
    const deployments = [deploymentWith([slot]), deploymentWith([slot - 30_000, slot])]
    for (const on of deployments) await authorityOn(on).sync('default', PLAIN_SYNC)
    const [fresh] = deployments
    await secrets.write('cadences', keyOf('b'))
    if (fresh !== undefined) await authorityOn(fresh).sync('default', PLAIN_SYNC)
    for (let round = 0; round < 3; round += 1) {
      for (const on of deployments) on.clock.time += 900_000
      const looks = Array.from({ length: 10 }, (_, at) => authorityOn(deployments[at % 2] ?? expect.unreachable()))
      await Promise.all(looks.map((authority) => authority.syncIfDue('default')))
    }
    expect((await secrets.metadata('cadences')).current_version).toBe(3)
  })
})

describe.skipIf(!target.isAvailable)('with an OpenBao that keeps its storage', { timeout: 240_000 }, () => {
  let server: DurableOpenBao
  let secrets: VaultClient
  beforeAll(async () => {
    server = await DurableOpenBao.start(inject('openbao')?.binary ?? '')
    secrets = await vaultClient(server.address, server.token).mount('faults')
  }, 60_000)
  afterAll(() => server.close())

  /** At calls that a seed chooses, it is killed while it is asked, or when it has answered and nobody has heard. */
  function killing(seed: number): { readonly around: Around; readonly kills: () => number } {
    const random = numbersOf(seed)
    let [kills, back] = [0, Promise.resolve()]
    const around: Around = async (call) => {
      await back
      if (kills >= KILLS || random() < 0.5) return call()
      kills += 1
      const answered = call()
      const asked = random() < 0.5 ? Promise.allSettled([answered]) : Promise.resolve()
      answered.catch(() => {})
      back = asked.then(() => server.again())
      await back
      throw DOWN
    }
    return { around, kills: () => kills }
  }

  it(`killed with -9 and started again, ${KILLS} times in each of ${KILLED_SEEDS} schedules, it keeps every promise`, async () => {
    let total = 0
    for (let seed = 1; seed <= KILLED_SEEDS; seed += 1) {
      const path = `killed-${seed}`
      for (const id of ['a', 'b']) await secrets.write(path, keyOf(id))
      const { around, kills } = killing(seed)
      let isFaulty = false
      const source = sourceOn(server, path, (call) => (isFaulty ? around(call) : call()))
      expect(await runSeed(seed, { source, faults: (are) => (isFaulty = are) })).toBeNull()
      total += kills()
    }
    expect(total).toBeGreaterThanOrEqual(KILLED_SEEDS)
  })

  it('put back to an older backup: nothing is lost, the rotation is refused, and a forced sync goes on from there', async () => {
    let aheadMs = 0
    const clock = { now: () => Date.now() + aheadMs, sleep: async () => {} }
    await secrets.write('restored', keyOf('a'))
    const made = await deploymentOn(server, 'restored', clock)
    await made.sync()
    const restore = await server.backup()
    const values = [await made.keyring.encrypt(NONE, NONE)]
    for (let times = 0; times < 2; times += 1) {
      expect(await rotate(made)).toMatchObject({ ok: true, value: { rotated: true } })
      values.push(await made.keyring.encrypt(NONE, NONE))
    }
    const readAll = async (by: Syncing) => {
      for (const { ciphertext, keyId } of values)
        expect(await by.keyring.decrypt(ciphertext, NONE)).toMatchObject({ keyId })
    }

    await restore()
    expect((await made.sync()).notes).toMatchObject([{ code: 'source-behind', version: 1 }])
    aheadMs += 120_000
    expect(await rotate(made)).toMatchObject({ ok: false, error: { code: 'ERR_ROTATION_REFUSED' } })
    expect((await made.keyring.status()).needed.join()).toContain('{"force": true}')
    // It is written to beyond what was read of it, before anybody looks again.
    const others = ['other-2', 'other-3', 'other-4']
    for (const id of others) await secrets.write('restored', keyOf(id))
    const refused = { code: 'ERR_SOURCE_RECREATED' }
    expect(await made.refusal()).toMatchObject(refused)
    expect(await rotate(made)).toMatchObject({ ok: false, error: refused })
    expect((await made.shown()).active).toBe(values[2]?.keyId)
    await readAll(made)

    await made.sync({ force: true })
    expect(await made.shown()).toMatchObject({ active: 'other-4', ids: expect.arrayContaining(others) })
    await readAll(made)
    expect(await rotate(made)).toMatchObject({ ok: true, value: { rotated: true, version: 5 } })
    values.push(await made.keyring.encrypt(NONE, NONE))
    expect(new Set(values.map(({ keyId }) => keyId)).size).toBe(4)
    await readAll(made)
    const second = await deploymentOn(server, 'restored', clock)
    await second.sync()
    const { ciphertext, keyId } = values[3] ?? expect.unreachable()
    expect(await second.keyring.decrypt(ciphertext, NONE)).toMatchObject({ keyId })
    for (const each of [made, second]) await each.close()
  })
})

const LATER_MS = 120_000

/** The first two versions were written before. */
const laterBy = <Of extends { readonly version: number }>(of: Of): Of =>
  of.version > 2 && 'createdMs' in of ? { ...of, createdMs: Number(of.createdMs) + LATER_MS } : of
