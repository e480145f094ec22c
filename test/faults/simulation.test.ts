/** Eight days of the simulation; `node bench/simulation.ts` is the month. */
import { expect, it } from 'vitest'
import { simulate } from '../../bench/simulation.ts'

it('in eight days of late copies, clocks that differ and an absent Vault, every encrypt and decrypt succeeds', async () => {
  const { rows, failures } = await simulate(8)
  expect(failures).toEqual([])
  expect(rows).toMatchObject({ rotations: 1, encrypts: 11_520, 'requests to Vault because of an isolate': 0 })
  expect(rows['encrypts with a key that was replaced already']).toBeGreaterThan(0)
})
