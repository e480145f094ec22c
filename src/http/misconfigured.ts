/** The app of a deployment that cannot work: it is alive, it is not ready, and it says which settings are at fault. */
import type { Hono } from 'hono'
import { HonoBase } from 'hono/hono-base'
import { TrieRouter } from 'hono/router/trie-router'
import { KeyringError } from '../core/errors.ts'
import { problem } from './problem.ts'
import { respond } from './reply.ts'

/** @param names of the settings at fault; what is wrong with them is in the log. */
export function misconfigured(names: readonly string[]): Hono {
  const app: Hono = new HonoBase({ router: new TrieRouter() })
  const error = new KeyringError('ERR_CONFIG_INVALID', `This deployment cannot work with its settings.`, {
    facts: { settings: names.join(', ') },
  })
  app.get('/healthz', () => respond({ body: { status: 'alive' } }))
  app.get('/readyz', () => respond({ status: 503, body: { status: 'not ready' } }))
  app.notFound((context) => respond(problem(context.req.path, error, crypto.randomUUID(), {})))
  return app
}
