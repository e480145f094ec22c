/** Secrets in memory: a fake vault behind references, a store, a clock that stands still until told. */
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { KeyringError } from '../../src/core/errors.ts'
import type { SecretName } from '../../src/core/vault-operations.ts'
import type { Clock } from '../../src/core/ports.ts'
import { Secret } from '../../src/core/secret.ts'
import type { ItemStore, ListedSecret, SecretAnswer, SecretBackend, SecretRules } from '../../src/core/secrets.ts'
import type { ItemSealer } from '../../src/crypto/seal-item.ts'
import { itemSealer, secretsOf } from '../../src/crypto/seal-item.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import { rare } from '../../src/rare.ts'
import { Keepers } from '../../src/secrets/keepers.ts'
import { memoryItems } from '../../src/secrets/memory-items.ts'
import { Secrets } from '../../src/secrets/secrets.ts'
import type { Entity } from '../../src/secrets/secrets.ts'
import { wrappingKey } from './authority.ts'
import { NOW } from './observed.ts'

const RULES: SecretRules = { ttlMs: 60_000, negTtlMs: 0, resurrectMs: 3_600_000, resurrectDeleted: false }

/** How the authority has the vault. */
interface Kept {
  readonly listed?: readonly ListedSecret[]
  readonly isPushed?: boolean
}

/** 'absent' and 'forbidden' are no texts of secrets. */
type Answer = object | string | KeyringError

export const outage = () => new KeyringError('ERR_VAULT_UNREACHABLE', 'Vault cannot be reached.')

/** What stands between an instance and the world. */
interface Between {
  readonly items: ItemStore
  readonly backend: SecretBackend
  readonly clock: Clock
  readonly freshMs: number
  readonly sealer: (prefix: string) => Promise<ItemSealer>
  readonly type: string
}

export function secretWorld(rules: Partial<SecretRules> = {}, more: Partial<Entity> = {}, kept: Kept = {}) {
  const log: string[] = []
  const clock: Clock & { time: number } = {
    time: NOW,
    now: () => clock.time,
    sleep: () => new Promise((resolve) => setImmediate(resolve)),
  }
  const vault = {
    /** By resource, or resource and version; what is not here is absent. */
    answers: new Map<string, Answer>(),
    asked: [] as string[],
    before: async (_name: SecretName): Promise<void> => {},
  }
  const items = memoryItems(() => clock.time)
  const entity: Entity = {
    prefix: 'hcv',
    identity: 'https://vault.example kv',
    rules: { ...RULES, ...rules },
    isBase64: false,
    split: (written) => written,
    trouble: () => null,
    ...more,
  }
  const backend: SecretBackend = {
    async read(name): Promise<SecretAnswer> {
      const key = name.version === null ? name.resource : `${name.resource}#${name.version}`
      vault.asked.push(key)
      await vault.before(name)
      const answer = vault.answers.get(key) ?? 'absent'
      if (answer instanceof KeyringError) throw answer
      if (answer === 'absent' || answer === 'forbidden') return { kind: answer }
      const text = typeof answer === 'string' ? answer : JSON.stringify(answer)
      return { kind: 'secret', text: new Secret(text) }
    },
  }
  const sealer = (prefix: string) => itemSealer(nodeCipher, nodeHash, [wrappingKey('w1', 1)], secretsOf(prefix))
  /** An instance with an authority in its process; several share the store. */
  const instance = (
    changes: Partial<Entity> = {},
    { listed = [], isPushed = false, ...between }: Kept & Partial<Between> = {},
  ) => {
    const own = { ...entity, ...changes }
    const ports = { items, backend, clock, freshMs: 1000, sealer, type: 'hcv', ...between }
    const asked = isPushed ? null : ports.backend
    const keepers = new Keepers({
      ...ports,
      random: () => 0.5,
      log: (line) => void log.push(line),
      loadRare: () => rare,
      entities: new Map([[own.prefix, { type: ports.type, source: 'kv', listed, ...own, backend: asked }]]),
      examine: async () => ({ time: clock.time, findings: [] }),
    })
    const authority = distantAuthority(async (message) => ('vault' in message ? keepers.call(message) : null))
    const secrets = new Secrets({ ...ports, authority, entities: new Map([[own.prefix, own]]) })
    return { keepers, secrets, look: () => keepers.call({ call: 'refreshIfDue', vault: own.prefix }) }
  }
  return { clock, vault, items, backend, sealer, entity, log, instance, ...instance({}, kept) }
}

/** The value, or the code of the error. */
export async function valueOrCode(secrets: Secrets, text: string, refresh = false): Promise<string> {
  const [result] = await secrets.resolve([text], refresh)
  return result?.ok ? result.value.value : (result?.error.code ?? 'none')
}
