/** The Worker: settings and app once in module scope, so that a request finds them ready. */
import { env, waitUntil } from 'cloudflare:workers'
import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import { outcomeOf } from '../../src/config/outcome.ts'
import { systemClock } from '../../src/core/clock.ts'
import { defectLine } from '../../src/core/lines.ts'
import type { Background } from '../../src/core/ports.ts'
import { readCron } from '../../src/core/cadence.ts'
import { webCipher, webHash } from '../../src/crypto/web.ts'
import { misconfigured } from '../../src/http/misconfigured.ts'
import { runSchedule } from '../../src/keyring/schedule.ts'
import { tellingAuthority } from '../../src/keyring/wrapping-trouble.ts'
import { workerAudit } from './audit.ts'
import { objectAuthority } from './authority-stub.ts'
import type { ReplicaBinding } from './bindings.ts'
import { replicaOf, settingsOf } from './bindings.ts'
import type { KeyringObject } from './keyring-object.ts'
import { FRESHNESS } from './limits.ts'

export { KeyringObject } from './keyring-object.ts'

interface Bindings extends ReplicaBinding {
  readonly KEYRING_OBJECT: DurableObjectNamespace<KeyringObject>
}

const onDefect = (error: unknown, request: string): void => console.error(defectLine(error, request))
const background: Background = (work) => waitUntil(work.catch((error: unknown) => onDefect(error, 'background')))
const audit = workerAudit(background)

function build(bindings: Bindings) {
  const { config, names, tell } = outcomeOf(parseConfig(settingsOf(bindings), 'workers', undefined, readCron))
  if (config === null) return { tell, app: misconfigured(names), runDue: async () => {} }
  const object = objectAuthority(bindings.KEYRING_OBJECT, config.workers.locationHint)
  const authority = tellingAuthority(object, (line) => console.error(line))
  const app = createApp(config, {
    cipher: webCipher,
    hash: webHash,
    clock: systemClock,
    authority,
    replica: replicaOf(bindings),
    background,
    audit,
    freshness: FRESHNESS,
    extraTokens: [],
    onDefect,
  })
  return { tell, app, runDue: () => runSchedule(authority, config.keyrings, (line) => console.log(line)) }
}

const { tell, app, runDue } = build(env as unknown as Bindings)
let isSaid = false

/** It is said at the first event, because while the module is loaded the clock stands at 1970. */
function sayOnce(): void {
  isSaid ||= (tell(console), true)
}

export default {
  fetch(request: Request) {
    sayOnce()
    return app.fetch(request)
  },
  async scheduled() {
    sayOnce()
    await runDue()
  },
}
