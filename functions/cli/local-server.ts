/** The server that runs in this folder, where it says that it listens, with the token that it was started with. */
import type { Env } from '../../src/config/setting.ts'
import { Secret } from '../../src/core/secret.ts'
import { kept } from '../node/local.ts'
import type { RunningServer } from '../node/running.ts'
import { whoRuns } from '../node/running.ts'
import { failed, wrongSettings } from './failure.ts'
import type { Target } from './target.ts'
import { FAR, isToken } from './target.ts'

/** `null` = none runs here. @throws a Failure; `ERR_STORE_UNAVAILABLE`. */
export function localServer(env: Env): Target | null {
  const server = whoRuns()
  if (server === 'nobody') return null
  if (server === 'unknown')
    throw failed(
      'ERR_SERVER_UNKNOWN',
      'A server runs in this folder, and .edge-keyring/server.json does not say where.',
    )
  const { url, store } = server
  keepOffProxies()
  return {
    ...FAR,
    where: `local server ${url}, store ${store} (EDGE_KEYRING_URL is not set)`,
    base: url,
    token: tokenOf(server, env),
    tokenRemedy: `Set EDGE_KEYRING_URL=${url} and EDGE_KEYRING_TOKEN to a live API token of that server.`,
  }
}

/** A proxy that NODE_USE_ENV_PROXY brings in would get the token, and would look for the server on its own machine. */
function keepOffProxies(): void {
  process.env['no_proxy'] = '*'
}

function tokenOf({ url, token: file }: RunningServer, env: Env): Secret {
  const token = (file === null ? undefined : kept(file)) ?? env['KEYRING_API_TOKEN'] ?? ''
  if (isToken(token)) return new Secret(token)
  const message = `must be the API token of the server that runs here; or set EDGE_KEYRING_URL=${url} and EDGE_KEYRING_TOKEN`
  throw wrongSettings([{ name: 'KEYRING_API_TOKEN', message }])
}
