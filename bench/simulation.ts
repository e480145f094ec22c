/**
 * `npx node bench/simulation.ts [days] [seed]`: a deployment on Workers under a clock that is told the time. Vault is down for a twentieth of
 * it, isolates come and go, Workers KV is late, clocks differ. Prints the table of docs/faults.md; fails if anything did.
 */
import { FRESHNESS } from '../functions/cloudflare/limits.ts'
import type { Bytes } from '../src/core/bytes.ts'
import { KeyringError } from '../src/core/errors.ts'
import type { Replica } from '../src/core/ports.ts'
import { nodeHash } from '../functions/node-shared/cipher.ts'
import { replicaAgeMs } from '../src/keyring/freshness.ts'
import { Keyring } from '../src/keyring/keyring.ts'
import { memoryStore } from '../src/keyring/memory-store.ts'
import type { World } from '../test/support/authority.ts'
import { MAX_RECORD_AGE_MS, authorityOn, world, wrappingKey } from '../test/support/authority.ts'
import { rememberingCipher } from '../test/support/ciphers.ts'
import { NOW } from '../test/support/observed.ts'
import { numbersOf } from '../test/support/seed.ts'

const [SECOND, MINUTE, DAY] = [1000, 60_000, 86_400_000]
const PERIOD = 5 * MINUTE
const ROTATION = 7 * DAY
const ISOLATES = 1000
/** Of the isolates at each look of the schedule. */
const [CALLED, REPLACED] = [5, 3]
const LATE_MS = 5 * MINUTE
const SKEW_MS = 2 * SECOND
const OUTAGE_LOOKS = 12
/** Values that are read again. */
const KEPT = 5000
const DOWN = new KeyringError('ERR_VAULT_UNREACHABLE', 'Vault is down.')
const KEYS = [wrappingKey('w1', 1)]
const NONE = new Uint8Array()

/** Workers KV: what was written is seen elsewhere later, each reader having its own delay. */
class LateReplica {
  readonly #written = new Map<string, { time: number; bytes: Bytes }[]>()
  readonly #now: () => number
  puts = 0

  constructor(now: () => number) {
    this.#now = now
  }

  seenAfter(lateMs: number): Replica {
    return {
      get: async (name) => this.#written.get(name)?.findLast(({ time }) => time <= this.#now() - lateMs)?.bytes ?? null,
      set: async (name, bytes) => {
        this.puts += 1
        const before = this.#written.get(name) ?? []
        // Somebody may still see the last one from before all delays.
        const from = before.findLastIndex(({ time }) => time <= this.#now() - LATE_MS)
        const recent = before.slice(Math.max(0, from))
        this.#written.set(name, [...recent, { time: this.#now(), bytes }])
        return true
      },
    }
  }
}

export interface Simulated {
  readonly rows: Readonly<Record<string, string | number>>
  readonly failures: readonly string[]
}

interface Isolate {
  opened: Promise<Keyring> | null
  /** What its clock has beside the authority's, in milliseconds. */
  readonly skew: number
  readonly replica: Replica
}

class Simulation {
  readonly clock = { time: NOW, now: () => this.clock.time, sleep: async () => {} }
  readonly failures: string[] = []
  readonly #random: () => number
  readonly #cipher = rememberingCipher()
  readonly #replicas = new LateReplica(this.clock.now)
  readonly #on: World
  readonly #isolates: Isolate[]
  readonly #values: string[] = []
  /** When each key was no longer the newest. */
  readonly #replaced = new Map<string, number>()
  readonly #staleMs: number[] = []
  readonly #counts = { isolates: ISOLATES, decrypts: 0, looksDown: 0, asked: 0, askedByIsolates: 0 }
  #authority: ReturnType<typeof authorityOn>
  #newest = 'a'
  #latest: string | undefined
  /** Looks of the schedule until Vault is up again. */
  #outage = 0
  #isIsolate = false

  constructor(seed: number) {
    this.#random = numbersOf(seed)
    this.#on = this.#world()
    this.#authority = authorityOn(this.#on, KEYS)
    this.#isolates = Array.from({ length: ISOLATES }, () => this.#isolate())
  }

  #world(): World {
    const ask = async <T>(answer: () => Promise<T>): Promise<T> => {
      this.#counts[this.#isIsolate ? 'askedByIsolates' : 'asked'] += 1
      return this.#outage > 0 ? Promise.reject(DOWN) : answer()
    }
    return {
      ...world(['a:1']),
      clock: this.clock,
      cipher: this.#cipher,
      store: { ...memoryStore(), readersMs: FRESHNESS.backgroundMs + replicaAgeMs(PERIOD) },
      replica: this.#replicas.seenAfter(MINUTE),
      rotation: { cadence: { after: (since) => since + ROTATION }, delayMs: 0, prunesHeld: false },
      syncPeriodMs: PERIOD,
      between: {
        source: (source) => ({
          id: source.id,
          observe: (signal) => ask(() => source.observe(signal)),
          read: (version, signal) => ask(() => source.read(version, signal)),
        }),
        sink: (sink) => ({
          mayWrite: (signal) => ask(() => sink.mayWrite(signal)),
          keeps: (signal) => ask(() => sink.keeps(signal)),
          write: (pair, expected, signal) => ask(() => sink.write(pair, expected, signal)),
        }),
      },
    }
  }

  #isolate(): Isolate {
    const skew = Math.round((this.#random() * 2 - 1) * SKEW_MS)
    return { opened: null, skew, replica: this.#replicas.seenAfter(Math.round(this.#random() * LATE_MS)) }
  }

  #open({ skew, replica }: Isolate): Promise<Keyring> {
    return Keyring.open('default', {
      authority: this.#authority,
      cipher: this.#cipher,
      hash: nodeHash,
      clock: { ...this.clock, now: () => this.clock.time + skew },
      wrappingKeys: KEYS,
      replica,
      background: null,
      audit: { note: () => {} },
      freshness: FRESHNESS,
      ages: { stampMs: replicaAgeMs(PERIOD), recordMs: MAX_RECORD_AGE_MS },
      siblings: 1,
    })
  }

  /** A look of the schedule, and what isolates are asked until the next one. */
  async period(): Promise<void> {
    this.#weather()
    await this.#authority.syncIfDue('default')
    const current = (this.#on.versions as string[]).at(-1)?.split(':')[0] ?? this.#newest
    if (current !== this.#newest) this.#replaced.set(this.#newest, this.clock.time)
    this.#newest = current
    for (let times = 0; times < REPLACED; times += 1) this.#isolates[this.#anyOf(ISOLATES)] = this.#isolate()
    this.#counts.isolates += REPLACED
    this.#isIsolate = true
    for (let times = 0; times < CALLED; times += 1) {
      this.clock.time += PERIOD / (CALLED + 1)
      const each = this.#isolates[this.#anyOf(ISOLATES)]
      if (each !== undefined) await this.#use(each).catch((error: unknown) => this.failures.push(String(error)))
    }
    this.#isIsolate = false
    this.clock.time += PERIOD / (CALLED + 1)
  }

  /** Vault comes and goes, and Durable Objects are evicted too. */
  #weather(): void {
    if (this.#outage > 0) this.#outage -= 1
    else if (this.#random() < 0.05 / OUTAGE_LOOKS / 0.95) this.#outage = OUTAGE_LOOKS
    this.#counts.looksDown += Number(this.#outage > 0)
    if (this.#random() < 0.1) this.#authority = authorityOn(this.#on, KEYS)
  }

  async #use(each: Isolate): Promise<void> {
    each.opened ??= this.#open(each)
    const keyring = await each.opened
    const { ciphertext, keyId } = await keyring.encrypt(NONE, NONE)
    this.#staleMs.push(this.clock.time - (this.#replaced.get(keyId) ?? this.clock.time))
    // What is read is old, or was written elsewhere just now.
    const value = this.#random() < 0.5 ? this.#latest : this.#values[this.#anyOf(this.#values.length)]
    await keyring.decrypt(value ?? ciphertext, NONE)
    this.#counts.decrypts += 1
    this.#latest = ciphertext
    this.#values[this.#values.length < KEPT ? this.#values.length : this.#anyOf(KEPT)] = ciphertext
  }

  #anyOf(count: number): number {
    return Math.floor(this.#random() * count)
  }

  rows(): Simulated['rows'] {
    const late = this.#staleMs.filter((ms) => ms > 0).sort((a, b) => a - b)
    const percentile = (part: number) => (late[Math.min(late.length - 1, Math.floor(late.length * part))] ?? 0) / SECOND
    const { isolates, decrypts, looksDown, asked, askedByIsolates } = this.#counts
    const looks = (this.clock.time - NOW) / PERIOD
    return {
      days: (this.clock.time - NOW) / DAY,
      isolates,
      encrypts: this.#staleMs.length,
      decrypts,
      'encrypts and decrypts that failed': this.failures.length,
      'looks of the schedule with Vault down, %': Number(((looksDown / looks) * 100).toFixed(1)),
      rotations: (this.#on.versions as string[]).length - 1,
      'requests to Vault': asked,
      'requests to Vault because of an isolate': askedByIsolates,
      'writes to Workers KV': this.#replicas.puts,
      'encrypts with a key that was replaced already': late.length,
      'how long ago it was replaced, median, s': percentile(0.5),
      '90 %, s': percentile(0.9),
      'at most, s': percentile(1),
    }
  }
}

export async function simulate(days: number, seed = 1): Promise<Simulated> {
  const simulation = new Simulation(seed)
  while (simulation.clock.time < NOW + days * DAY) await simulation.period()
  return { rows: simulation.rows(), failures: simulation.failures }
}

if (import.meta.main) {
  const { rows, failures } = await simulate(Number(process.argv[2] ?? 30), Number(process.argv[3] ?? 1))
  console.log('| what | figure |\n|---|---|')
  for (const [what, figure] of Object.entries(rows)) console.log(`| ${what} | ${figure} |`)
  for (const failure of new Set(failures)) console.error(failure)
  process.exitCode = failures.length === 0 ? 0 : 1
}
