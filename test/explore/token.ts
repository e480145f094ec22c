/** Two instances without a token, and the lease under which one of them logs in. A sleeper is woken so late that leases run out. */
import { LEASE_MS } from '../../src/core/lease.ts'
import { settle } from '../../src/core/errors.ts'
import type { SharedStore } from '../../src/core/ports.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import type { TokenVault } from '../../src/vault/login/vault.ts'
import type { Crossing } from '../support/crossing.ts'
import { crossed } from '../support/crossing.ts'
import { FakeVault, OUTAGE, READ, instance } from '../support/fake-vault.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { Witness } from '../support/witness.ts'
import type { Scene } from './explore.ts'

const WOKEN_MS = 16_000

class PromptClock extends VirtualClock {
  override async sleep(): Promise<void> {}
}

export interface TokenBug {
  readonly store?: (store: SharedStore) => SharedStore
  readonly vault?: (vault: TokenVault) => TokenVault
}

export const tokenScene =
  (bug: TokenBug = {}) =>
  async (crossing: Crossing): Promise<Scene> => {
    const clock = new PromptClock()
    const vault = new FakeVault(clock)
    const witness = new Witness()
    const store = memoryStore()
    /** When each token was issued whose answer came. */
    const issued = new Map<string, number>()
    crossing.time = clock.now.bind(clock)

    /** Of the tokens, those whose holder had the lease still; whoever comes too late undoes what it did. */
    const inTime = new Map<string, string>()
    const leased = new Map<string, number>()
    const isLeased = (actor: string) => clock.time - (leased.get(actor) ?? -Infinity) < LEASE_MS

    const watched = (plain: TokenVault, actor: string): TokenVault => ({
      ...plain,
      async login(...how) {
        const isAnswered = !crossing.trace.at(-1)?.endsWith('(lose)')
        const recent = [...inTime].find(([text, other]) => other !== actor && vault.isLive(text) && isLeased(other))
        if (recent !== undefined && isLeased(actor)) witness.say('two logins under one lease', recent[0])
        const token = await plain.login(...how)
        if (isAnswered) issued.set(token.token.reveal(), clock.time)
        if (isAnswered && isLeased(actor)) inTime.set(token.token.reveal(), actor)
        return token
      },
    })
    /** Every put of the state before a login is the lease. */
    const leasing = (plain: SharedStore, actor: string): SharedStore => ({
      ...plain,
      async put(name, ...how) {
        const put = await plain.put(name, ...how)
        if (put !== 'conflict' && name.startsWith('token/')) leased.set(actor, clock.time)
        return put
      },
    })
    const take = (actor: string) => async () => {
      const ports = crossed(crossing, actor)
      const through = (plain: TokenVault): TokenVault => {
        const real = watched(bug.vault?.(plain) ?? plain, actor)
        const call = (what: string) => ({ actor, on: 'vault', what, writes: true })
        return {
          ...real,
          login: (...how) => crossing.pass(call('login'), () => real.login(...how), OUTAGE),
          revoke: (...how) => crossing.pass(call('revoke'), () => real.revoke(...how), undefined),
        }
      }
      const sleep = (ms: number): Promise<void> =>
        crossing.pass(
          { actor, on: 'clock', what: 'sleep', writes: true, isSure: true },
          async () => void (clock.time += Math.max(ms, WOKEN_MS)),
          undefined,
        )
      const { life } = instance(vault, ports.store(leasing(bug.store?.(store) ?? store, actor)), {
        clock: { now: () => clock.time, sleep },
        between: through,
      })
      await life.token(READ.signal)
    }

    return {
      actors: { one: take('one'), two: take('two') },
      broken: witness.broken,
      async end() {
        clock.time += 5 * 60_000
        const read = await settle(() => instance(vault, store).read())
        if (!read.ok) witness.say('it does not converge', read.error.code)
        const live = [...issued.keys()].filter((text) => vault.isLive(text)).length
        const faults = crossing.trace.filter((line) => /\((?:fail|lose)\)$|: killed$/.test(line)).length
        if (live > 1 + faults) witness.say('a token is left behind', `${live} are live`)
      },
    }
  }
