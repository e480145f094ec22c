/** References of tests: their values are given, and may be changed at any time. */
import { refusal } from '../core/errors.ts'
import { FRESH_MS, References } from './references.ts'

export const fixedReferences = (values: ReadonlyMap<string, string>): References =>
  new References({
    kept: null,
    clock: { now: () => (ticks += FRESH_MS) },
    service: {
      resolve: async ({ references }) => ({
        ok: true,
        value: references.map((reference) => {
          const value = values.get(reference)
          return value === undefined
            ? refusal('ERR_SECRET_NOT_FOUND', 'The test keyring has no such secret.')
            : { ok: true, value: { value } }
        }),
      }),
    },
  })

/** To a test nothing is fresh. */
let ticks = 0
