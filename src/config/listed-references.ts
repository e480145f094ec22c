/** `KEYRING_REFERENCES`: the references that are resolved before anybody asks for one, and kept fresh. What is wrong with one stops no other. */
import { parseJson } from '../core/body.ts'
import type { ListedSecret } from '../core/secrets.ts'
import { parseReference } from '../references/grammar.ts'
import type { SplitField } from '../references/split.ts'
import type { KnownEntity } from './entity.ts'
import type { Env, Problem } from './setting.ts'
import { REFERENCES } from './vaults-set.ts'

const MOST = 1000

interface Listed {
  /** By the prefix of their vault. */
  readonly secrets: ReadonlyMap<string, readonly ListedSecret[]>
  readonly problems: readonly Problem[]
}

type Known = Pick<KnownEntity, 'prefix' | 'split' | 'trouble' | 'isOwn'>

export function listedReferences(env: Env, entities: readonly Known[]): Listed {
  const texts = textsIn(env[REFERENCES]?.trim() ?? '')
  if (texts === null) return { secrets: new Map(), problems: [{ name: REFERENCES, message: LIST }] }
  const byPrefix = new Map(entities.map((entity) => [entity.prefix, entity]))
  const read = texts.slice(0, MOST).map((text, at) => readOne(text, at + 1, byPrefix))
  const secrets = Map.groupBy(
    read.flatMap((one) => (typeof one === 'string' ? [] : [one])),
    ({ vault }) => vault,
  )
  const problems = read.flatMap((one, at) => (typeof one === 'string' ? [`entry ${at + 1} ${one}`] : []))
  if (texts.length > MOST) problems.push(`has more than ${MOST} entries, and the others are not used`)
  return { secrets, problems: problems.map((message) => ({ name: REFERENCES, message })) }
}

const LIST = 'must be references, separated by spaces or commas, or a JSON list of them'

/** A reference itself may have spaces and commas. `null` = it is no list. */
function textsIn(text: string): readonly string[] | null {
  if (text === '') return []
  if (!text.startsWith('[')) return text.split(/(?<=\})[\s,]+|[\s,]+(?=\{vault:)/).filter((each) => each !== '')
  const list = parseJson(text)
  return Array.isArray(list) && list.every((each) => typeof each === 'string') ? list : null
}

/** A text = what is wrong, as the rest of a sentence. */
function readOne(
  text: string,
  entry: number,
  byPrefix: ReadonlyMap<string, Known>,
): string | (ListedSecret & { readonly vault: string }) {
  const parsed = parseReference(text)
  if (!parsed.ok) return `${parsed.error.message} (character ${parsed.error.at})`
  const { reference } = parsed
  const entity = byPrefix.get(reference.vault)
  if (entity === undefined) return 'names no vault that can be used'
  if (entity.isOwn) return 'names variables of which no part is set aside: give that vault a prefix'
  const { resource, key }: ReturnType<SplitField> = entity.split(reference)
  const { version } = reference
  return entity.trouble({ resource, version }) ?? { vault: entity.prefix, entry, resource, key, version }
}
