/**
 * Look-ups of encrypted fields by value. Beside the field stands an index, a MAC of what the value normalises to, and a look-up compares
 * indexes. Its key is pinned in the declaration of the column, so that a rotation changes neither look-ups nor what is unique
 * (docs/decisions/0014-the-key-of-an-index-is-pinned-in-the-program.md).
 *
 * To move an index from key a to key b, four declarations follow each other, each deployed everywhere before the next: `[a]`, `[a, b]` (all
 * look for both), `[b, a]` (new ones are under b), and, once `moveIndex` has been over every row, `[b]`.
 */
import type { Bytes } from '../core/bytes.ts'
import { toBase64url } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import { KEY_ID } from '../core/limits.ts'
import type { ColumnName } from './bound.ts'
import { columnName, isOurs, parts, wellFormed } from './bound.ts'
import type { Normaliser } from './normalisers.ts'
import { isNormaliser, normalised } from './normalisers.ts'

/** What is asked of a keyring here: HMAC-SHA-256 under a subkey of that key, which serves nothing else. */
export interface IndexKeyring {
  index(keyId: string, message: Bytes): Promise<Bytes>
}

export interface IndexRules {
  /** The first one is that of new indexes; rows may still have one of the others, or will have soon. */
  readonly keys: readonly [string, ...string[]]
  /** 8 to 256. What is unique needs 128 or more; how many are good elsewhere: docs/fields.md. */
  readonly bits: number
  readonly normalise: Normaliser
  /** Equal values of two tenants have different indexes; each call names its tenant then. */
  readonly perTenant?: boolean
  /** 'pass' = rows may hold the value itself still, so that a look-up looks for that too. */
  readonly plaintext?: 'pass'
}

interface Where {
  /** Every index under which the value may lie. */
  readonly index: readonly string[]
  /** `null` = it is not looked for. */
  readonly plaintext: string | null
}

interface Tenant {
  readonly tenant?: string
}

export interface Lookups<Name extends ColumnName> {
  /** `<key id>.<MAC>`; null stays null. */
  index(column: Name, value: string | null, of?: Tenant): Promise<string | null>
  where(column: Name, value: string, of?: Tenant): Promise<Where>
  /** The index that a row is to have instead of `stored`: null where its value is. `undefined` = it has the right one. */
  moveIndex(column: Name, value: string | null, stored: string | null, of?: Tenant): Promise<string | null | undefined>
}

/** @throws a TypeError for a rule that is none: it is part of the program. */
export function lookups<Name extends ColumnName>(
  keyring: IndexKeyring,
  rules: Readonly<Record<Name, IndexRules>>,
): Lookups<Name> {
  for (const [name, rule] of Object.entries<IndexRules>(rules)) refuseWrong(name, rule)
  const ruleOf = (column: Name): IndexRules => {
    if (!Object.hasOwn(rules, column)) throw new TypeError(`There is no index for "${column}".`)
    return rules[column]
  }
  const under = async (key: string, column: Name, value: string, tenant: string | undefined): Promise<string> => {
    const rule = ruleOf(column)
    return `${key}.${cut(await keyring.index(key, messageOf(column, rule, value, tenant)), rule.bits)}`
  }
  const index = async (column: Name, value: string | null, { tenant }: Tenant = {}): Promise<string | null> =>
    value === null ? null : under(ruleOf(column).keys[0], column, value, tenant)
  return {
    index,
    async where(column, value, { tenant } = {}) {
      const { keys, plaintext } = ruleOf(column)
      const all = await Promise.all(keys.map((key) => under(key, column, value, tenant)))
      return { index: all, plaintext: plaintext === 'pass' && !isOurs(value) ? value : null }
    },
    async moveIndex(column, value, stored, of) {
      const wanted = await index(column, value, of)
      return wanted === stored ? undefined : wanted
    },
  }
}

function messageOf(
  column: ColumnName,
  { bits, normalise, perTenant = false }: IndexRules,
  value: string,
  tenant?: string,
): Bytes {
  if (perTenant !== (tenant !== undefined))
    throw new KeyringError('ERR_REQUEST_INVALID', `An index of "${column}" takes ${perTenant ? 'a' : 'no'} tenant.`)
  const text = normalised(normalise, wellFormed(value))
  if (text === '' && value !== '')
    throw new KeyringError(
      'ERR_REQUEST_INVALID',
      `Of a value of "${column}" nothing is left once it is normalised (${normalise}).`,
      {
        remedy: 'Check the value before, or choose another normaliser for the column.',
      },
    )
  return parts([
    'ekb1',
    ...columnName(column),
    String(bits),
    normalise,
    ...(tenant === undefined ? [] : [tenant]),
    text,
  ])
}

/** The first bits, in base64url. */
function cut(mac: Bytes, bits: number): string {
  const bytes = mac.slice(0, Math.ceil(bits / 8))
  const last = bytes.length - 1
  if (bits % 8 > 0) bytes[last] = (bytes[last] ?? 0) & (0xff << (8 - (bits % 8)))
  return toBase64url(bytes)
}

function refuseWrong(name: string, { keys, bits, normalise }: IndexRules): void {
  columnName(name)
  if (keys.length === 0 || !keys.every((key) => KEY_ID.test(key)) || new Set(keys).size < keys.length)
    throw new TypeError(`The index of "${name}" needs ids of keys, each once.`)
  if (!Number.isInteger(bits) || bits < 8 || bits > 256)
    throw new TypeError(`The index of "${name}" has 8 to 256 bits.`)
  if (!isNormaliser(normalise)) throw new TypeError(`The normaliser of "${name}" is not known.`)
}
