/** A DynamoDB table to test with: dynalite in this process, or anything with its API. */
import dynalite from 'dynalite'
import type { AddressInfo } from 'node:net'
import { systemClock } from '../../../src/core/clock.ts'
import { signedAws } from '../../../functions/lambda/aws.ts'
import { dynamoItems } from '../../../functions/lambda/dynamo-items.ts'
import { dynamoStore } from '../../../functions/lambda/dynamo-store.ts'
import type { Clock, SharedStore } from '../../../src/core/ports.ts'
import type { ItemStore } from '../../../src/core/secrets.ts'

export interface DynamoServer {
  readonly endpoint: string
  close(): Promise<void>
}

export async function startDynalite(): Promise<DynamoServer> {
  const server = dynalite({ createTableMs: 0 })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}

/** What Lambda sets, with credentials that are test material. */
export const awsEnvironment = (endpoint: string) => ({
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'AKIATESTONLY',
  AWS_SECRET_ACCESS_KEY: 'testonlysecretaccesskey',
  AWS_SESSION_TOKEN: 'testonlysessiontoken',
  AWS_ENDPOINT_URL_DYNAMODB: endpoint,
})

let tables = 0

/** Both as serverless.yml declares them. */
export const createTable = (endpoint: string): Promise<string> =>
  created(endpoint, {
    AttributeDefinitions: [{ AttributeName: 'name', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'name', KeyType: 'HASH' }],
  })
export const createSecretsTable = (endpoint: string): Promise<string> => created(endpoint, SECRETS_TABLE)

export const SECRETS_TABLE = {
  AttributeDefinitions: [
    { AttributeName: 'vault', AttributeType: 'S' },
    { AttributeName: 'name', AttributeType: 'S' },
    { AttributeName: 'due', AttributeType: 'N' },
  ],
  KeySchema: [
    { AttributeName: 'vault', KeyType: 'HASH' },
    { AttributeName: 'name', KeyType: 'RANGE' },
  ],
  LocalSecondaryIndexes: [
    {
      IndexName: 'due',
      KeySchema: [
        { AttributeName: 'vault', KeyType: 'HASH' },
        { AttributeName: 'due', KeyType: 'RANGE' },
      ],
      Projection: { ProjectionType: 'INCLUDE', NonKeyAttributes: ['expires'] },
    },
  ],
}

async function created(endpoint: string, shape: object): Promise<string> {
  const table = `keyring-${process.pid}-${(tables += 1)}`
  await raw(endpoint, 'CreateTable', { TableName: table, BillingMode: 'PAY_PER_REQUEST', ...shape })
  for (let tries = 0; tries < 500; tries += 1) if (await isActive(endpoint, table)) return table
  throw new Error('The table did not come up.')
}

/** A new table answers "not found" for some milliseconds. */
async function isActive(endpoint: string, table: string): Promise<boolean> {
  const { Table } = (await raw(endpoint, 'DescribeTable', { TableName: table })) as { Table: { TableStatus: string } }
  return Table.TableStatus === 'ACTIVE'
}

/** Whatever the store itself never does. */
export async function raw(endpoint: string, operation: string, input: object): Promise<unknown> {
  const answer = await signedAws(awsEnvironment(endpoint))({
    service: 'dynamodb',
    path: '/',
    headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `DynamoDB_20120810.${operation}` },
    body: JSON.stringify(input),
    timeoutMs: 20_000,
  })
  if (answer.status !== 200) throw new Error(`${operation}: ${JSON.stringify(answer.body)}`)
  return answer.body
}

export const storeOn = (endpoint: string, table: string): SharedStore =>
  dynamoStore(partsOn(endpoint, table, systemClock))

export const itemsOn = (endpoint: string, table: string, now: () => number): ItemStore =>
  dynamoItems(partsOn(endpoint, table, { ...systemClock, now }))

const partsOn = (endpoint: string, table: string, clock: Clock) => ({
  aws: signedAws(awsEnvironment(endpoint)),
  table,
  clock,
  leftMs: () => Number.POSITIVE_INFINITY,
})
