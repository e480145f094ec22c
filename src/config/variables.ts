/** Variables of the environment as secrets of a vault: what they are called, and which ones are for references at all. */
import { parseJson } from '../core/body.ts'
import type { SecretName } from '../core/vault-operations.ts'
import { parseReference } from '../references/grammar.ts'
import type { Env } from './setting.ts'

/** Kong's rule: capitals, and another variable for what was there before. */
const variableOf = (prefix: string, { resource, version }: SecretName): string =>
  `${prefix}${resource}`.replaceAll('-', '_').toUpperCase() + (version === 2 ? '_PREVIOUS' : '')

/** Variables that settings, logins and platforms are read from. */
const OURS =
  /^(?:(?:EDGE_)?KEYRINGS?|KONG|VAULT|BAO|AWS|DECK|GCE|AZURE|IDENTITY|ACTIONS|NODE|UNDICI)_|^(?:KEYRINGS|HOST|PORT|(?:HTTPS?|ALL|NO)_PROXY)(?:_PREVIOUS)?$/

/** Those that settings name by reference, which are as much of ours: in whatever spelling, also within a list in JSON. */
export const takenFrom = (env: Env): ReadonlySet<string> =>
  new Set(
    Object.entries(env)
      .filter(([name]) => /^(?:KONG_)?KEYRINGS?(?:_(?!REFERENCES$)|$)|^KONG_VAULT_/.test(name))
      .flatMap(([, text = '']) => [text, ...textsIn(parseJson(text))])
      .flatMap(namedVariable),
  )

function namedVariable(text: string): string[] {
  const parsed = parseReference(text.trim())
  if (!parsed.ok || parsed.reference.vault !== 'env') return []
  const { resource, options } = parsed.reference
  const prefixes = (options.get('prefix') ?? ['']).map((prefix) => (prefix === true ? '' : prefix))
  return ['', ...prefixes].map((prefix) => variableOf(prefix, { resource, version: null }))
}

const textsIn = (value: unknown): string[] =>
  typeof value === 'string' ? [value] : value instanceof Object ? Object.values(value).flatMap(textsIn) : []

export function variableTrouble(prefix: string, secret: SecretName, taken: ReadonlySet<string>): string | null {
  if ((secret.version ?? 1) > 2) return 'has a version above 2: 1 is the variable, 2 the one that ends in _PREVIOUS'
  const name = variableOf(prefix, secret)
  if (!/^[A-Z_][A-Z\d_]*$/.test(name)) return 'names no variable: letters, digits, "_" and "-"'
  return OURS.test(name) || taken.has(name.replace(/_PREVIOUS$/, '')) || taken.has(name)
    ? 'names a variable that edge-keyring or its platform reads itself'
    : null
}

/** `null` = it is none, or not for references. */
export function readableVariable(prefix: string, name: SecretName, taken: ReadonlySet<string>): string | null {
  return variableTrouble(prefix, name, taken) === null ? variableOf(prefix, name) : null
}
