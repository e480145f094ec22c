/** Tokens and policies, in memory: gone with the process, but for the root token. */
import { randomBytes } from 'node:crypto'
import { timeNow } from './time.ts'

type Capability = 'read' | 'list' | 'write' | 'delete'

interface Rule {
  /** Exact, or a prefix with `*` at its end. */
  readonly path: string
  readonly capabilities: ReadonlySet<string>
}

export interface Token {
  readonly id: string
  readonly accessor: string
  readonly policies: readonly string[]
  readonly created: string
  /** 0 = for ever. */
  readonly ttlSeconds: number
}

/** What every token may do, as Vault's `default` policy says. */
const OWN_TOKEN: readonly Rule[] = [
  { path: 'auth/token/lookup-self', capabilities: new Set(['read']) },
  { path: 'auth/token/revoke-self', capabilities: new Set(['update']) },
]

export class Access {
  readonly #tokens = new Map<string, Token>()
  readonly #policies = new Map<string, readonly Rule[]>()

  constructor(rootToken: string) {
    this.issue(['root'], 0, rootToken)
  }

  issue(policies: readonly string[], ttlSeconds: number, id = `s.${randomBytes(18).toString('base64url')}`): Token {
    const accessor = randomBytes(18).toString('base64url')
    const token = { id, accessor, policies, ttlSeconds, created: timeNow() }
    this.#tokens.set(id, token)
    return token
  }

  revoke(id: string): void {
    this.#tokens.delete(id)
  }

  /** `null` = unknown or expired. */
  token(id: string): Token | null {
    const token = this.#tokens.get(id)
    return token === undefined || secondsLeft(token) < 0 ? null : token
  }

  /** @param policy HCL: `path "secret/data/x" { capabilities = ["read"] }`, any number of times. */
  setPolicy(name: string, policy: string): void {
    const rules = policy.matchAll(/path\s+"([^"]+)"\s*\{\s*capabilities\s*=\s*\[([^\]]*)\]\s*\}/g)
    this.#policies.set(
      name,
      [...rules].map(([, path = '', list = '']) => ({ path, capabilities: new Set(list.match(/[a-z]+/g)) })),
    )
  }

  allows(token: Token, capability: Capability, path: string): boolean {
    if (isRoot(token)) return true
    return this.#rules(token).some((rule) => fits(rule, path) && grants(rule, capability))
  }

  /** Whether the token has anything below a mount. */
  sees(token: Token, mount: string): boolean {
    return isRoot(token) || this.#rules(token).some(({ path }) => path.startsWith(`${mount}/`))
  }

  #rules({ policies }: Token): readonly Rule[] {
    return [...OWN_TOKEN, ...policies.flatMap((name) => this.#policies.get(name) ?? [])]
  }
}

const isRoot = ({ policies }: Token): boolean => policies.includes('root')

const fits = ({ path }: Rule, asked: string): boolean =>
  path.endsWith('*') ? asked.startsWith(path.slice(0, -1)) : asked === path

/** Vault asks for `create` before a first write and for `update` after it; here either will do. */
const grants = ({ capabilities }: Rule, capability: Capability): boolean =>
  capability === 'write' ? capabilities.has('create') || capabilities.has('update') : capabilities.has(capability)

/** Negative = expired; 0 for a token that never does. */
export const secondsLeft = ({ created, ttlSeconds }: Token): number =>
  ttlSeconds === 0 ? 0 : Math.floor((Date.parse(created) + ttlSeconds * 1000 - Date.now()) / 1000)

export const capabilityOf = (method: string, query: URLSearchParams): Capability =>
  method === 'DELETE'
    ? 'delete'
    : method !== 'GET' && method !== 'HEAD'
      ? 'write'
      : query.get('list') === 'true'
        ? 'list'
        : 'read'
