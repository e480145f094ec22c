/** The Worker: settings and app once in module scope, so that a request finds them ready. Secrets of a Secrets Store come with the first. */
import { env, waitUntil } from 'cloudflare:workers'
import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import { outcomeOf } from '../../src/config/outcome.ts'
import type { Env, Problem } from '../../src/config/setting.ts'
import type { Awaitable } from '../../src/core/awaitable.ts'
import { andThen } from '../../src/core/awaitable.ts'
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
import { hasStoreSecrets, readBindings, replicaOf, settingsOf } from './bindings.ts'
import type { KeyringObject } from './keyring-object.ts'
import { FRESHNESS } from './limits.ts'

export { KeyringObject } from './keyring-object.ts'

interface Bindings extends ReplicaBinding {
  readonly KEYRING_OBJECT: DurableObjectNamespace<KeyringObject>
}

const onDefect = (error: unknown, request: string): void => console.error(defectLine(error, request))
const background: Background = (work) => waitUntil(work.catch((error: unknown) => onDefect(error, 'background')))
const audit = workerAudit(background)

function build(settings: Env, unread: readonly Problem[] = []) {
  const { config, names, tell } = outcomeOf(parseConfig(settings, 'workers', undefined, readCron), unread)
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

const bindings = env as unknown as Bindings
let built = hasStoreSecrets(bindings) ? null : build(settingsOf(bindings))
let isSaid = false

/** Each of the first requests reads for itself, because they cannot share a promise. What could not be read is read again. */
async function read(): Promise<ReturnType<typeof build>> {
  const { env: settings, problems } = await readBindings(bindings)
  const made = build(settings, problems)
  if (problems.length === 0) built ??= made
  return built ?? made
}

/** It is said at the first event, because while the module is loaded the clock stands at 1970. */
const ready = (): Awaitable<ReturnType<typeof build>> =>
  andThen(built ?? read(), (made) => {
    isSaid ||= (made.tell(console), true)
    return made
  })

export default {
  fetch: (request: Request) => andThen(ready(), ({ app }) => app.fetch(request)),
  async scheduled() {
    await (await ready()).runDue()
  },
}
