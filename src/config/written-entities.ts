/** Vault entities as operators write them: as Kong's settings, one of each type, or in decK's form, any number under their prefixes. */
import * as z from 'zod/mini'
import { parseJson } from '../core/body.ts'
import { isQuoted } from '../core/quoted.ts'
import type { Env, Problem, Row } from './setting.ts'
import { isSet } from './setting.ts'

const VAULTS = 'KEYRING_VAULTS'
/** A list in decK's form. It stands in no table, because what is wrong with an entity stops no other and no start. */
export const VAULTS_ROW: Row = [VAULTS, { schema: z.string, default: '[]', secret: true }, VAULTS]

export const REFERENCES = 'KEYRING_REFERENCES'
/** References of those who ask the vaults. It stands in no table either, because a table takes no reference for a value. */
export const REFERENCES_ROW: Row = [
  REFERENCES,
  { schema: z.string, default: '[]', only: ['node', 'workers', 'lambda-sync'] },
  REFERENCES,
]

export interface WrittenEntity {
  /** It may be none of ours, and '' for none at all. */
  readonly type: string
  /** What references call it: a type where it was written for one. */
  readonly prefix: string
  /** The name that people find it under. */
  readonly name: string
  /** The name of a field, as it was written. */
  readonly spell: (field: string) => string
  /** The texts of fields by those names. */
  readonly texts: Env
  readonly description: string | null
  readonly tags: readonly string[]
  readonly problems: readonly Problem[]
}

interface WrittenEntities {
  readonly entities: readonly WrittenEntity[]
  /** They are of no entity. */
  readonly problems: readonly Problem[]
  readonly notices: readonly string[]
}

/** Kong's types; no prefix is one of them. */
const KONG_TYPES = ['hcv', 'aws', 'env', 'fs', 'azure-certs', 'azure', 'conjur', 'gcp', 'konnect']
const KONG = 'KONG_VAULT_'
const inCapitals = (type: string): string => `${KONG}${type.toUpperCase().replace('-', '_')}_`

export function writtenEntities(env: Env): WrittenEntities {
  const list = env[VAULTS]?.trim() ?? ''
  const { entities, problems, notices } = list === '' ? NONE : inList(list)
  const ofKong = Object.keys(env).filter((name) => name.startsWith(KONG) && isSet(env, name))
  const others = ofKong.filter((name) => typeOf(name) === '')
  return {
    entities: [...inSettings(ofKong, env), ...entities],
    problems,
    notices: [...(others.length === 0 ? [] : [`${others.join(', ')}: not used here, of no vault.`]), ...notices],
  }
}

const NONE: WrittenEntities = { entities: [], problems: [], notices: [] }

const typeOf = (name: string): string => KONG_TYPES.find((type) => name.startsWith(inCapitals(type))) ?? ''

function inSettings(names: readonly string[], env: Env): WrittenEntity[] {
  const byType = Map.groupBy(names, typeOf)
  byType.delete('')
  return [...byType].map(([type, own]) => ({
    type,
    prefix: type,
    name: `${inCapitals(type)}*`,
    spell: (field) => inCapitals(type) + field.toUpperCase(),
    texts: Object.fromEntries(own.map((name) => [name, env[name]])),
    description: null,
    tags: [],
    problems: [],
  }))
}

type Fields = Readonly<Record<string, unknown>>
const fieldsIn = (value: unknown): Fields | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null

const LIST = 'must be a JSON list of vaults, {"name", "prefix", "config"}, or {"vaults": [...]}'

function inList(text: string): WrittenEntities {
  const document = parseJson(text)
  const { vaults, ...others }: Fields = fieldsIn(document) ?? { vaults: document }
  if (!Array.isArray(vaults)) {
    const message = isQuoted(text) ? 'is still in its quotes' : LIST
    return { ...NONE, problems: [{ name: VAULTS, message }] }
  }
  const entries = vaults.map((each, index) => entityIn(fieldsIn(each) ?? {}, index))
  const uses = Map.groupBy(entries, ({ prefix }) => prefix)
  const entities = entries.map((each) => {
    const isOnce = each.prefix === '' || uses.get(each.prefix)?.length === 1
    return isOnce ? each : withProblem(each, { name: `${each.name}.prefix`, message: 'is the prefix of another too' })
  })
  return { entities, problems: [], notices: beside(others) }
}

/** decK's file may have a whole gateway. */
function beside(others: Fields): string[] {
  const counted = Object.entries(others).filter(([name]) => !name.startsWith('_'))
  const count = counted.reduce((sum, [, value]) => sum + (Array.isArray(value) ? value.length : 1), 0)
  return count === 0 ? [] : [`${VAULTS}: what is not in "vaults" is not used here (${count}).`]
}

const withProblem = (entity: WrittenEntity, problem: Problem): WrittenEntity => ({
  ...entity,
  problems: [...entity.problems, problem],
})

/** Kong's pattern. */
const PREFIX = /^[a-z][a-z\d-]*[a-z\d]$/
const PREFIX_RULE =
  'must be two or more lower-case letters, digits and dashes, a letter first, no dash last, and no type of vaults'
/** What Kong and decK have of an entity beside its fields. */
const OF_KONG = new Set(['name', 'prefix', 'config', 'description', 'tags', 'id', 'created_at', 'updated_at'])
/** A name that no field has may be a value in the wrong place. */
const isName = (text: string): boolean => /^[a-z][a-z\d_]{0,63}$/.test(text)

function entityIn(entry: Fields, index: number): WrittenEntity {
  const { name: type, prefix: given, config, description, tags } = entry
  const prefix = typeof given === 'string' && PREFIX.test(given) && !KONG_TYPES.includes(given) ? given : ''
  const name = `vaults.${prefix || index + 1}`
  const spell = (field: string) => `${name}.config.${field}`
  const { texts, problems } = textsIn(config, `${name}.config`, spell)
  const others = Object.keys(entry).filter((each) => !OF_KONG.has(each) && !each.startsWith('_'))
  return {
    type: typeof type === 'string' ? type : '',
    prefix,
    name,
    spell,
    texts,
    description: typeof description === 'string' ? description : null,
    tags: Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : [],
    problems: [
      ...(prefix === '' ? [{ name: `${name}.prefix`, message: PREFIX_RULE }] : []),
      ...problems,
      ...(others.length > 0 ? [{ name, message: 'has more than name, prefix, config, description and tags' }] : []),
    ],
  }
}

function textsIn(
  config: unknown,
  name: string,
  spell: WrittenEntity['spell'],
): Pick<WrittenEntity, 'texts' | 'problems'> {
  const fields = fieldsIn(config ?? {})
  if (fields === null) return { texts: {}, problems: [{ name, message: 'must be an object' }] }
  const all = Object.entries(fields).map(([field, value]) => [field, textOf(value)] as const)
  const named = all.filter(([field]) => isName(field))
  const wrong = named.filter(([, text]) => text === null)
  return {
    texts: Object.fromEntries(named.map(([field, text]) => [spell(field), text ?? ''])),
    problems: [
      ...(named.length < all.length ? [{ name, message: 'has a field that no vault has' }] : []),
      ...wrong.map(([field]) => ({ name: spell(field), message: 'must be a text, a number, true or false' })),
    ],
  }
}

/** '' = not set, as in what decK dumps. `null` = it can be no text. */
function textOf(value: unknown): string | null {
  if (value === null) return ''
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const texts = Array.isArray(value) ? value.map(textOf) : [null]
  return texts.includes(null) ? null : texts.join(',')
}
