import { defineConfig } from 'vitest/config'

/** Suites that start processes get time for a busy machine; no test measures time. */
const project = (
  name: string,
  include: readonly string[],
  more: { testTimeout?: number; globalSetup?: string[] } = {},
) => ({
  test: { name, include: [...include], environment: 'node' as const, hookTimeout: 120_000, ...more },
})

export default defineConfig({
  test: {
    maxWorkers: 2,
    env: { WRANGLER_SEND_METRICS: 'false' },
    projects: [
      project('unit', ['test/{unit,architecture,contract}/**/*.test.ts'], { testTimeout: 60_000 }),
      project('node', ['test/node/**/*.test.ts'], { testTimeout: 120_000 }),
      project('conformance', ['test/conformance/**/*.test.ts'], { testTimeout: 30_000 }),
      project('workerd', ['test/workerd/**/*.test.ts'], { testTimeout: 30_000 }),
      project('interop', ['test/interop/**/*.test.ts'], {
        testTimeout: 30_000,
        globalSetup: ['test/interop/python.ts'],
      }),
      project('lambda', ['test/lambda/**/*.test.ts'], { testTimeout: 60_000 }),
      project('faults', ['test/{explore,faults}/**/*.test.ts'], {
        testTimeout: 120_000,
        globalSetup: ['test/vault/openbao.ts'],
      }),
      project('vault', ['test/vault/**/*.test.ts'], { testTimeout: 60_000, globalSetup: ['test/vault/openbao.ts'] }),
    ],
  },
})
