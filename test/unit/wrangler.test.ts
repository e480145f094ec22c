/** What wrangler.toml says of each environment, as wrangler reads it. */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { unstable_readConfig } from 'wrangler'

const config = join(import.meta.dirname, '../../wrangler.toml')

/** A part that an environment does not repeat is lost in it without a word. */
it.each([undefined, 'production'])('keeps every line of the log (%s), because the audit log is one', (env) => {
  const { observability } = unstable_readConfig({ config, env })
  expect(observability).toEqual({ enabled: true, head_sampling_rate: 1 })
})
