/** What the HTTP function is measured against: a bare handler with one signed read of DynamoDB. */
import { AwsClient } from 'aws4fetch'

const { env } = process
const aws = new AwsClient({
  accessKeyId: env['AWS_ACCESS_KEY_ID'] ?? '',
  secretAccessKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
  sessionToken: env['AWS_SESSION_TOKEN'] ?? '',
  service: 'dynamodb',
  region: env['AWS_REGION'] ?? '',
  retries: 0,
})

export const handler = async () => {
  const response = await aws.fetch(env['AWS_ENDPOINT_URL_DYNAMODB'] ?? '', {
    method: 'POST',
    headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'DynamoDB_20120810.GetItem' },
    body: JSON.stringify({
      TableName: env['KEYRING_TABLE'],
      Key: { name: { S: 'keyring/default' } },
      ConsistentRead: true,
    }),
  })
  const { Item } = (await response.json()) as { Item: { version: { N: string } } }
  return {
    statusCode: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ version: Item.version.N }),
  }
}
