/** References to Secrets Manager against moto, which verifies signatures and policies. Staging: test/unit/settings-by-reference.test.ts, since moto's is wrong. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readReferences } from '../../functions/node-shared/references.ts'
import { wrappingKeys } from '../../src/config/wrapping-keys.ts'
import { BEFORE, CURRENT, SECRET, startMoto } from '../support/moto.ts'

const moto = await startMoto()
const NAME = 'KEYRING_VAULT_TOKEN'
const before = { ...process.env }

const isList = (text: string) => wrappingKeys().safeParse(text).success

async function read(keys: Record<string, string>, name = NAME, key = 'vault_token'): Promise<string> {
  Object.assign(process.env, { AWS_ENDPOINT_URL: moto?.address, AWS_REGION: 'us-east-1', ...keys })
  const { texts, problems } = await readReferences({ [name]: `{vault://aws/${SECRET}/${key}}` }, [name], isList)
  return texts.get(name) ?? problems.map(({ message }) => message).join()
}

describe.skipIf(moto === null)('Secrets Manager', () => {
  const keys = (secret = moto?.account.secret ?? '') => ({
    AWS_ACCESS_KEY_ID: moto?.account.id ?? '',
    AWS_SECRET_ACCESS_KEY: secret,
  })
  beforeAll(() => {
    delete process.env['AWS_SESSION_TOKEN']
  })
  afterAll(async () => {
    process.env = before
    await moto?.close()
  })

  it('gives a secret to who may read it, and is signed for', async () => {
    expect(await read(keys())).toBe('of-moto')
    expect(await read(keys('another'))).toMatch(/does not answer/)
    expect(await read(keys())).toBe('of-moto')
  })

  it('gives the wrapping keys of the current version and of the one before', async () => {
    expect(await read(keys(), 'KEYRING_WRAPPING_KEYS', 'keys')).toBe(`${CURRENT},${BEFORE}`)
  })

  it('gives nothing to a role that may not, whose temporary keys are right', async () => {
    const { id = '', secret = '', token = '' } = moto?.session ?? {}
    const session = { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token }
    expect(await read(session)).toMatch(/does not answer/)
  })
})
