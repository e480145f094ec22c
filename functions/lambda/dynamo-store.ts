/** The record store on Lambda: one DynamoDB item for each record, written by one conditional PutItem. */
import { toBase64 } from '../../src/core/bytes.ts'
import type { SharedStore, StoredRecord } from '../../src/core/ports.ts'
import { refuseLargeRecord } from '../../src/core/record-size.ts'
import type { DynamoParts, KnownItems } from './dynamo-reader.ts'
import { DYNAMO_READERS_MS, askDynamo, dynamoReader, isRecord } from './dynamo-reader.ts'

export function dynamoStore(parts: DynamoParts): SharedStore {
  const { table } = parts
  const known: KnownItems = new Map()
  const { get } = dynamoReader(parts, known)
  return {
    readersMs: DYNAMO_READERS_MS,
    get,
    async put(name, bytes, expected) {
      refuseLargeRecord(name, bytes)
      const stored = { bytes: bytes.slice(), version: expected + 1 }
      const base64 = toBase64(stored.bytes)
      const { refused, ambiguous } = await askDynamo(parts, 'PutItem', putInput(table, name, base64, expected))
      if (refused && !(ambiguous && isSame(await get(name), stored))) return 'conflict'
      known.set(name, { base64, stored })
      return stored
    },
  }
}

/** A comparison with an attribute that is not there, or of another type, does not hold. */
function putInput(table: string, name: string, base64: string, expected: number) {
  const put = {
    TableName: table,
    Item: { name: { S: name }, version: { N: String(expected + 1) }, bytes: { B: base64 } },
  }
  if (expected === 0 && isRecord(name)) {
    const ExpressionAttributeNames = { '#name': 'name' }
    return { ...put, ConditionExpression: 'attribute_not_exists(#name)', ExpressionAttributeNames }
  }
  return {
    ...put,
    ConditionExpression: expected === 0 ? 'NOT #version >= :version' : '#version = :version',
    ExpressionAttributeNames: { '#version': 'version' },
    ExpressionAttributeValues: { ':version': { N: String(expected || 1) } },
  }
}

/** Somebody else's put has another content: a record has its writer's time and random nonces in it. */
const isSame = (stored: StoredRecord | null, written: StoredRecord): boolean =>
  stored?.version === written.version && Buffer.compare(stored.bytes, written.bytes) === 0
