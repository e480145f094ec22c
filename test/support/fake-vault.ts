/** A Vault of few words in the process: tokens that live by a virtual clock, and counts of all that was asked. */
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { KeyringError } from '../../src/core/errors.ts'
import type { Clock, RecordStore } from '../../src/core/ports.ts'
import { Secret } from '../../src/core/secret.ts'
import type { Doubted } from '../../src/core/time.ts'
import { itemSealer } from '../../src/crypto/seal-item.ts'
import type { TokenVault } from '../../src/vault/login/vault.ts'
import type { IssuedToken, LoginMethod } from '../../src/vault/login/method.ts'
import { sharedTokenReader } from '../../src/vault/reader.ts'
import { sealedItems } from '../../src/vault/token/sealed-items.ts'
import { TokenLife } from '../../src/vault/token/life.ts'
import type { VaultTransport } from '../../src/vault/wire/transport.ts'
import { wrappingKey } from './authority.ts'
import { VirtualClock } from './virtual-clock.ts'

const HOUR_SECONDS = 3600
export const READ = { segments: ['secret', 'data', 'x'], signal: new AbortController().signal }

export class FakeVault {
  readonly clock: VirtualClock
  readonly logins: number[] = []
  readonly renewals: number[] = []
  readonly reads: string[] = []
  readonly revoked: string[] = []
  /** Stored times that cannot be true. */
  readonly doubted: Doubted[] = []
  /** What a login gives. */
  issue = { ttlSeconds: HOUR_SECONDS, renewable: true, type: 'service' as 'service' | 'batch', uses: 0 }
  /** Seconds granted by a renewal; an error = refused or down. */
  renewal: number | KeyringError | null = null
  /** Met by logins and reads alike. */
  down: KeyringError | null = null
  /** Met by logins alone. */
  refuses: Error | null = null
  /** Paths that the policy denies. */
  readonly denied = new Set<string>()
  latencyMs = 20
  readonly #live = new Map<string, { expires: number; uses: number }>()

  constructor(clock = new VirtualClock()) {
    this.clock = clock
  }

  async login(signal: AbortSignal): Promise<IssuedToken> {
    this.logins.push(this.clock.time)
    const text = `token-${this.logins.length}`
    const error = this.down ?? this.refuses
    await this.clock.sleep(this.latencyMs, signal)
    if (error !== null) throw error
    const { ttlSeconds, uses } = this.issue
    const expires = ttlSeconds === 0 ? Infinity : this.clock.time + ttlSeconds * 1000
    this.#live.set(text, { expires, uses: uses || Infinity })
    return { ...this.issue, token: new Secret(text) }
  }

  revoke(text: string): void {
    this.#live.delete(text)
  }

  isLive(text: string): boolean {
    const token = this.#live.get(text)
    return token !== undefined && token.expires > this.clock.time && token.uses > 0
  }

  readonly asTokenVault: TokenVault = {
    login: (_segments, _body, signal) => this.login(signal),
    post: async () => null,
    renew: async (secret, signal) => {
      this.renewals.push(this.clock.time)
      await this.clock.sleep(this.latencyMs, signal)
      const granted = this.down ?? this.renewal ?? this.issue.ttlSeconds
      if (granted instanceof KeyringError) throw granted
      if (!this.isLive(secret.reveal())) throw deniedError('token')
      this.#live.set(secret.reveal(), { expires: this.clock.time + granted * 1000, uses: Infinity })
      return { ...this.issue, ttlSeconds: granted, token: secret }
    },
    revoke: async (secret) => {
      this.revoked.push(secret.reveal())
      this.revoke(secret.reveal())
    },
    checkNamespace: async () => 'nothing to check',
  }

  readonly asTransport: VaultTransport = {
    get: async ({ token: given, segments, signal }) => {
      const token = given ?? ''
      this.reads.push(token)
      await this.clock.sleep(this.latencyMs, signal)
      if (this.down !== null) throw this.down
      const held = this.#live.get(token)
      if (held === undefined || !this.isLive(token)) throw deniedError('token')
      held.uses -= 1
      if (this.denied.has(segments.join('/'))) throw deniedError('policy')
      return { status: 200, body: {}, serverTime: this.clock.time }
    },
    post: () => Promise.reject(new TypeError('Nothing is posted.')),
  }
}

export const deniedError = (denied: 'token' | 'policy'): KeyringError =>
  new KeyringError('ERR_VAULT_DENIED', 'Refused.', { facts: { denied } })
export const OUTAGE = new KeyringError('ERR_VAULT_SEALED', 'Sealed.')
export const REFUSED = new KeyringError('ERR_VAULT_LOGIN_REFUSED', 'Refused.')

/** One instance of a deployment: what it holds is its own, the store is everybody's. */
export function instance(
  vault: FakeVault,
  store: RecordStore,
  options: {
    credential?: () => string
    keys?: string[]
    random?: () => number
    shape?: () => string
    method?: string
    ends?: NonNullable<LoginMethod['ends']>
    /** Its own. */
    clock?: Clock
    /** What stands between it and Vault. */
    between?: (vault: TokenVault) => TokenVault
  } = {},
) {
  const { credential = () => 'credential', keys = ['w1'], random = () => 0, shape = () => 'shape' } = options
  const { clock = vault.clock, between = (plain) => plain } = options
  const method: LoginMethod = {
    method: options.method ?? 'approle',
    mount: 'fake',
    role: 'r',
    credential,
    login: (of, signal) => of.login(['auth', 'fake', 'login'], {}, signal),
    ...(options.ends && { ends: options.ends }),
  }
  const items = sealedItems(store, clock, () =>
    itemSealer(
      nodeCipher,
      nodeHash,
      keys.map((id) => wrappingKey(id, id.charCodeAt(1))),
    ),
  )
  const life = new TokenLife({
    method,
    shape: async () => shape(),
    vault: between(vault.asTokenVault),
    items,
    clock,
    doubt: (what) => vault.doubted.push(what),
    address: 'https://vault.example',
    namespace: '',
    random,
  })
  const reader = sharedTokenReader(vault.asTransport, life)
  return { life, items, reader, read: (path = 'secret/data/x') => reader.get({ ...READ, segments: path.split('/') }) }
}
