/**
 * The Worker: settings and app once in module scope, so that a request finds them ready. Secrets of a Secrets Store come with the first,
 * and are read again behind others, since requests cannot wait for each other's I/O.
 */
import { env, waitUntil } from 'cloudflare:workers'
import { createApp, openKeyrings } from '../../src/app.ts'
import type { Parsed } from '../../src/config/answering.ts'
import { outcomeOf } from '../../src/config/outcome.ts'
import type { VaultsConfig } from '../../src/config/with-vaults.ts'
import type { Awaitable } from '../../src/core/awaitable.ts'
import { andThen } from '../../src/core/awaitable.ts'
import { systemClock } from '../../src/core/clock.ts'
import { defectLine } from '../../src/core/lines.ts'
import type { Background } from '../../src/core/ports.ts'
import { webCipher, webHash } from '../../src/crypto/web.ts'
import { misconfigured } from '../../src/http/misconfigured.ts'
import { rareRoutes } from '../../src/http/rare-routes.ts'
import type { Renew } from '../../src/keyring/renewed-authority.ts'
import { neededIds } from '../../src/keyring/renewed-authority.ts'
import { runSchedule } from '../../src/keyring/schedule.ts'
import { tellingAuthority } from '../../src/keyring/wrapping-trouble.ts'
import { copied } from '../../src/replicated-vaults.ts'
import { openVaults } from '../../src/vaults.ts'
import { workerAudit } from './audit.ts'
import { objectAuthority } from './authority-stub.ts'
import type { ReplicaBinding } from './bindings.ts'
import { hasStoreSecrets, liveBindings, replicaOf, readBindings } from './bindings.ts'
import { entrypointOf } from './entrypoint.ts'
import type { KeyringObject } from './keyring-object.ts'
import { FRESHNESS } from './limits.ts'

export { KeyringObject } from './keyring-object.ts'

interface Bindings extends ReplicaBinding {
  readonly KEYRING_OBJECT: DurableObjectNamespace<KeyringObject>
}

const onDefect = (error: unknown, request: string): void => console.error(defectLine(error, request))
const background: Background = (work) => waitUntil(work.catch((error: unknown) => onDefect(error, 'background')))
const audit = workerAudit(background)

function build(parsed: Parsed<VaultsConfig>) {
  const { config, names, tell } = outcomeOf(parsed)
  if (config === null)
    return { tell, app: misconfigured(names), rpc: null, runDue: async () => {}, needed: async () => null }
  const object = objectAuthority(bindings.KEYRING_OBJECT, config.workers.locationHint)
  const authority = tellingAuthority(object, (line) => console.error(line))
  const { vaults: entities = [], brokenVaults: broken = [] } = config
  const prefixes = entities.map(({ prefix }) => prefix)
  const replica = replicaOf(bindings)
  const shared = { cipher: webCipher, hash: webHash, clock: systemClock, audit, freshness: FRESHNESS }
  const nearest = replica === null ? authority : copied(entities, config, { ...shared, authority, replica })
  const ports = {
    ...shared,
    authority,
    replica,
    background,
    vaults: openVaults(entities, config, { ...shared, authority: nearest, broken, freshMs: FRESHNESS.freshMs }),
    extraTokens: [],
    loadRoutes: () => rareRoutes,
    onDefect,
  }
  const keyring = openKeyrings(config, ports)
  return {
    tell,
    app: createApp(config, ports, keyring),
    rpc: { ...ports, keyring },
    runDue: () => runSchedule(authority, config.keyrings, (line) => console.log(line), undefined, prefixes),
    needed: () => neededIds(authority, config),
  }
}

type Built = ReturnType<typeof build>

/** The least between two looks at secrets, in milliseconds: while all is well, and after an answer that failed. */
const [LOOK_MS, FAILED_MS] = [60_000, 5000]

const bindings = env as unknown as Bindings
let built = hasStoreSecrets(bindings) ? null : build(readBindings(bindings))
let renew: Renew<VaultsConfig> | null = null
let lookedAt = 0
let isSaid = false

/** Each of the first requests reads for itself, because they cannot share a promise. What could not be read, or is wrong, is read again. */
async function read(): Promise<Built> {
  const { parsed, renew: again } = await liveBindings(bindings)
  const made = build(parsed)
  if (parsed.ok && built === null) [built, renew, lookedAt] = [made, again, Date.now()]
  return built ?? made
}

/** What has changed serves the requests that come after. What is not taken is told by the object, which reads the same. */
async function look({ needed }: Built, pauseMs: number): Promise<void> {
  const sinceMs = Date.now() - lookedAt
  if (renew === null || (sinceMs >= 0 && sinceMs < pauseMs)) return
  lookedAt = Date.now()
  const { config } = await renew(needed)
  if (config !== null) built = build({ ok: true, config, notices: [] })
}

/** It is said at the first event, because while the module is loaded the clock stands at 1970. */
const ready = (): Awaitable<Built> =>
  andThen(built ?? read(), (made) => {
    isSaid ||= (made.tell(console), true)
    return made
  })

/** For service bindings: `entrypoint = "KeyringService"`. */
export class KeyringService extends entrypointOf(() =>
  andThen(ready(), (made) => {
    if (renew !== null) background(look(made, LOOK_MS))
    return made.rpc
  }),
) {}

export default {
  fetch: (request: Request) =>
    andThen(ready(), (made) =>
      andThen(made.app.fetch(request), (response) => {
        if (renew !== null) background(look(made, response.status < 500 ? LOOK_MS : FAILED_MS))
        return response
      }),
    ),
  async scheduled() {
    await look(await ready(), LOOK_MS)
    await (await ready()).runDue()
  },
}
