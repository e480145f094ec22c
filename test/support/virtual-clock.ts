/** A clock for tests: time stands still while there is anything to do, then goes on to whoever sleeps the shortest. */
import { setImmediate as idle } from 'node:timers/promises'
import type { Clock } from '../../src/core/ports.ts'
import { NOW } from './observed.ts'

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

export class VirtualClock implements Clock {
  time = NOW
  #sleepers: Sleeper[] = []

  now(): number {
    return this.time
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { at: this.time + ms, wake: resolve }
      this.#sleepers.push(sleeper)
      const stop = () => {
        this.#sleepers = this.#sleepers.filter((each) => each !== sleeper)
        reject(signal.reason as Error)
      }
      if (signal.aborted) stop()
      else signal.addEventListener('abort', stop, { once: true })
    })
  }

  async run<T>(work: Promise<T>): Promise<T> {
    let isSettled = false
    const settled = () => (isSettled = true)
    work.then(settled, settled)
    for (;;) {
      await idle()
      if (isSettled) return work
      const next = Math.min(...this.#sleepers.map(({ at }) => at))
      const awake = this.#sleepers.filter(({ at }) => at === next)
      this.#sleepers = this.#sleepers.filter(({ at }) => at !== next)
      if (next !== Infinity) this.time = Math.max(this.time, next)
      for (const { wake } of awake) wake()
    }
  }
}
