/** A bar on a terminal that says how far a long run is; elsewhere nothing. */
import { clearLine, cursorTo } from 'node:readline'

const CELLS = 24
/** Between two looks of it, in milliseconds. */
const EVERY_MS = 100

export class Progress {
  readonly #total: number
  readonly #began = Date.now()
  #shown = 0

  /** @param total bytes of the input. */
  constructor(total: number) {
    this.#total = total
  }

  /** @param from rows of an earlier run. */
  show(bytes: number, rows: number, from: number): void {
    const now = Date.now()
    if (!process.stderr.isTTY || now - this.#shown < EVERY_MS) return
    this.#shown = now
    const part = this.#total === 0 ? 1 : Math.min(bytes / this.#total, 1)
    const full = Math.floor(part * CELLS)
    const perSecond = Math.round(((rows - from) * 1000) / Math.max(now - this.#began, 1))
    const bar = `${'█'.repeat(full)}${'░'.repeat(CELLS - full)}`
    this.clear()
    process.stderr.write(`${bar} ${Math.floor(part * 100)} %  ${rows} rows  ${perSecond}/s`)
  }

  /** Makes room for a line of another kind. */
  clear(): void {
    if (!process.stderr.isTTY) return
    clearLine(process.stderr, 0)
    cursorTo(process.stderr, 0)
  }
}
