import type { Env } from '../../src/config/names.ts'

/** Variables and secrets are texts; bindings are objects. */
export const settingsOf = (bindings: object): Env =>
  Object.fromEntries(Object.entries(bindings).filter(([, value]) => typeof value === 'string'))
