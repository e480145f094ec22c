/** The store of secrets on Lambda: a table of its own in DynamoDB, which itself removes what has expired. */
import { toBase64 } from '../../src/core/bytes.ts'
import { refuseLargeRecord } from '../../src/core/record-size.ts'
import type { ItemStore, ItemTimes, StoredItem } from '../../src/core/secrets.ts'
import type { DynamoParts } from './dynamo-reader.ts'
import { askDynamo } from './dynamo-reader.ts'

interface Item {
  readonly version?: { readonly N?: string }
  readonly bytes?: { readonly B?: string }
  readonly expires?: { readonly N?: string }
}

/** All that whoever answers does with the store, and may do. What no put has written is none, or is empty. */
export const dynamoItem =
  (parts: DynamoParts): ItemStore['get'] =>
  async (vault, name) => {
    const input = { TableName: parts.table, Key: keyOf(vault, name), ConsistentRead: true }
    const { Item: item = {} } = (await askDynamo(parts, 'GetItem', input)).body as { readonly Item?: Item }
    const version = Number(item.version?.N)
    if (!(version > 0) || Number(item.expires?.N) <= secondsOf(parts)) return null
    return { version, bytes: new Uint8Array(Buffer.from(item.bytes?.B ?? '', 'base64')) }
  }

export function dynamoItems(parts: DynamoParts): ItemStore {
  const { table: TableName, clock } = parts
  const get = dynamoItem(parts)
  return {
    get,

    async put(vault, name, bytes, expected, times) {
      refuseLargeRecord(name, bytes)
      const stored = { bytes: bytes.slice(), version: Math.max(expected + 1, clock.now()) }
      const condition = expected === 0 ? none(stored.version, secondsOf(parts)) : exactly(expected)
      const input = { TableName, Item: { ...keyOf(vault, name), ...fieldsOf(stored, times) }, ...condition }
      const { refused, ambiguous } = await askDynamo(parts, 'PutItem', input)
      return refused && !(ambiguous && isSame(await get(vault, name), stored)) ? 'conflict' : stored.version
    },

    async delete(vault, name, expected) {
      await askDynamo(parts, 'DeleteItem', { TableName, Key: keyOf(vault, name), ...exactly(expected) })
    },

    due: (vault, time, most) =>
      names(parts, vault, most, { IndexName: 'due' }, { key: 'due', is: '<=', value: { N: String(time) } }),

    // No key is an empty text, nor compared with one.
    list: (vault, after, most) => names(parts, vault, most, {}, { key: 'name', is: '>', value: { S: after || ' ' } }),
  }
}

const keyOf = (vault: string, name: string) => ({ vault: { S: vault }, name: { S: name } })

const secondsOf = ({ clock }: DynamoParts): number => clock.now() / 1000

/** What is never due lacks the attribute, and so is not in the index; what never expires is not removed for want of it. */
const fieldsOf = ({ bytes, version }: StoredItem, { due, expires }: ItemTimes) => ({
  version: { N: String(version) },
  bytes: { B: toBase64(bytes) },
  ...(Number.isFinite(due) && { due: { N: String(due) } }),
  ...(Number.isFinite(expires) && { expires: { N: String(Math.ceil(expires / 1000)) } }),
})

const exactly = (version: number) => ({
  ConditionExpression: '#version = :version',
  ExpressionAttributeNames: { '#version': 'version' },
  ExpressionAttributeValues: { ':version': { N: String(version) } },
})

/** A comparison with what is not there, or of another type, does not hold. The platform may take days to remove what has expired. */
const none = (version: number, seconds: number) => ({
  ConditionExpression: 'NOT #version >= :first OR (#version < :version AND #expires <= :now)',
  ExpressionAttributeNames: { '#version': 'version', '#expires': 'expires' },
  ExpressionAttributeValues: {
    ':first': { N: '1' },
    ':version': { N: String(version) },
    ':now': { N: String(seconds) },
  },
})

interface Range {
  readonly key: 'due' | 'name'
  readonly is: '<=' | '>'
  readonly value: object
}

interface Page {
  readonly Items: readonly { readonly name: { readonly S: string } }[]
  readonly LastEvaluatedKey?: object
}

/** Page by page, because what has expired counts for a page and is not in it. */
async function names(parts: DynamoParts, vault: string, most: number, index: object, { key, is, value }: Range) {
  const input = {
    TableName: parts.table,
    ...index,
    ConsistentRead: true,
    KeyConditionExpression: `#vault = :vault AND #${key} ${is} :value`,
    FilterExpression: 'attribute_not_exists(#expires) OR #expires > :now',
    ProjectionExpression: '#name',
    ExpressionAttributeNames: { '#vault': 'vault', '#expires': 'expires', '#name': 'name', [`#${key}`]: key },
    ExpressionAttributeValues: { ':vault': { S: vault }, ':value': value, ':now': { N: String(secondsOf(parts)) } },
  }
  const found: string[] = []
  let next: object | undefined = {}
  while (next !== undefined && found.length < most) {
    const { body } = await askDynamo(parts, 'Query', { ...input, ...next, Limit: most - found.length })
    const { Items, LastEvaluatedKey } = body as Page
    found.push(...Items.map(({ name }) => name.S))
    next = LastEvaluatedKey && { ExclusiveStartKey: LastEvaluatedKey }
  }
  return found
}

/** Another writer's bytes are others: each is sealed with a nonce of its own. */
const isSame = (stored: StoredItem | null, written: StoredItem): boolean =>
  stored?.version === written.version && Buffer.compare(stored.bytes, written.bytes) === 0
