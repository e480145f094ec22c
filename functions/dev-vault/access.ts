/** The tokens and policies of the dev Vault. They are in memory and gone with the process, but for the root token. */
import { randomBytes } from 'node:crypto'
import { timeNow } from './time.ts'

type Capability = 'read' | 'list' | 'write' | 'delete'

interface Rule {
  /** The whole path, or a prefix with `*` at its end. */
  readonly path: string
  readonly capabilities: ReadonlySet<string>
}

export interface TokenOptions {
  readonly policies: readonly string[]
  /** 0 = for ever. */
  readonly ttlSeconds: number
  readonly type?: 'service' | 'batch'
  readonly renewable?: boolean
  /** Each renewal begins this anew; 0 = none. */
  readonly periodSeconds?: number
  /** It lives for no longer than this since its creation; 0 = there is no such limit. */
  readonly maxSeconds?: number
  /** 0 = without limit. */
  readonly uses?: number
  /** The path at which it was made. */
  readonly path?: string
  readonly meta?: Readonly<Record<string, string>> | null
}

export interface Token extends Required<TokenOptions> {
  readonly id: string
  readonly accessor: string
  readonly created: string
  /** Milliseconds since 1970; Infinity = never. */
  expires: number
  usesLeft: number
}

/** Vault's policy `default`, as far as it is needed. */
const DEFAULT: readonly Rule[] = [
  { path: 'auth/token/lookup-self', capabilities: new Set(['read']) },
  { path: 'auth/token/renew-self', capabilities: new Set(['update']) },
  { path: 'auth/token/revoke-self', capabilities: new Set(['update']) },
  { path: 'sys/capabilities-self', capabilities: new Set(['update']) },
]

export class Access {
  readonly #tokens = new Map<string, Token>()
  readonly #policies = new Map<string, readonly Rule[]>()

  constructor(rootToken: string) {
    this.issue({ policies: ['root'], ttlSeconds: 0, id: rootToken })
  }

  issue({ id, ...options }: TokenOptions & { id?: string }): Token {
    const type = options.type ?? 'service'
    const token: Token = {
      type,
      renewable: false,
      periodSeconds: 0,
      maxSeconds: 0,
      uses: 0,
      path: 'auth/token/create',
      meta: null,
      ...options,
      id: id ?? `${type === 'batch' ? 'b' : 's'}.${randomBytes(18).toString('base64url')}`,
      accessor: type === 'batch' ? '' : randomBytes(18).toString('base64url'),
      created: timeNow(),
      expires: options.ttlSeconds === 0 ? Infinity : Date.now() + options.ttlSeconds * 1000,
      usesLeft: options.uses ?? 0,
    }
    this.#tokens.set(token.id, token)
    return token
  }

  revoke(id: string): void {
    this.#tokens.delete(id)
  }

  /** `null` = unknown or expired. */
  token(id: string): Token | null {
    const token = this.#tokens.get(id)
    return token === undefined || token.expires <= Date.now() ? null : token
  }

  /** Counts a request; the last one is still answered. */
  count(token: Token): void {
    if (token.uses === 0) return
    token.usesLeft -= 1
    if (token.usesLeft === 0) this.#tokens.delete(token.id)
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
    return this.#rules(token).some(
      (rule) => grants(rule, capability) && (capability === 'list' ? fitsFolder : fits)(rule, path),
    )
  }

  capabilities(token: Token, path: string): readonly string[] {
    if (isRoot(token)) return ['root']
    const rules = this.#rules(token).filter((rule) => (path.endsWith('/') ? fitsFolder : fits)(rule, path))
    const all = new Set(rules.flatMap(({ capabilities }) => [...capabilities]))
    return all.size === 0 ? ['deny'] : [...all].sort()
  }

  /** Whether the token has anything below a mount. */
  sees(token: Token, mount: string): boolean {
    return isRoot(token) || this.#rules(token).some(({ path }) => path.startsWith(`${mount}/`))
  }

  #rules({ policies }: Token): readonly Rule[] {
    const own = policies.includes('default') ? DEFAULT : []
    return [...own, ...policies.flatMap((name) => this.#policies.get(name) ?? [])]
  }
}

const isRoot = ({ policies }: Token): boolean => policies.includes('root')

const fits = ({ path }: Rule, asked: string): boolean =>
  path.endsWith('*') ? asked.startsWith(path.slice(0, -1)) : asked === path

/** A list is one of a folder, which a rule names with a slash at its end or without. */
const fitsFolder = (rule: Rule, folder: string): boolean => {
  const name = folder.replace(/\/$/, '')
  return fits(rule, name) || fits(rule, `${name}/`)
}

/** Vault asks for `create` before a first write and for `update` after it; here either will do. */
const grants = ({ capabilities }: Rule, capability: Capability): boolean =>
  capability === 'write' ? capabilities.has('create') || capabilities.has('update') : capabilities.has(capability)

/** 0 for a token that never ends. */
export const secondsLeft = ({ expires }: Token): number =>
  expires === Infinity ? 0 : Math.floor((expires - Date.now()) / 1000)

export const capabilityOf = (method: string, query: URLSearchParams): Capability =>
  method === 'DELETE'
    ? 'delete'
    : method !== 'GET' && method !== 'HEAD'
      ? 'write'
      : query.get('list') === 'true'
        ? 'list'
        : 'read'
