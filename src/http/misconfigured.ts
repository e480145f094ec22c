/** The app of a deployment that cannot work: it is alive, it is not ready, and it says which settings are at fault. */
import { KeyringError } from '../core/errors.ts'
import type { Http } from './dispatch.ts'
import { httpOf } from './dispatch.ts'
import { problem } from './problem.ts'
import { respond } from './reply.ts'

/** @param names of the settings at fault; what is wrong with them is in the log. */
export function misconfigured(names: readonly string[]): Http {
  const error = new KeyringError('ERR_CONFIG_INVALID', `This deployment cannot work with its settings.`, {
    facts: { settings: names.join(', ') },
  })
  return httpOf(({ method, path }) => {
    const asked = `${method} ${path}`
    if (asked === 'GET /healthz') return respond({ body: { status: 'alive' } })
    if (asked === 'GET /readyz') return respond({ status: 503, body: { status: 'not ready' } })
    return respond(problem(path, error, crypto.randomUUID(), {}))
  })
}
