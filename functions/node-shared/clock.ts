/** The machine's clock, under the name by which Node and Lambda know it. */
export { systemClock } from '../../src/core/clock.ts'
