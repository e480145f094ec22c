/** Secrets Manager, for settings and as a vault, against moto, which verifies signatures and policies. Staging: test/unit/settings-by-reference.test.ts, since moto's is wrong. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { secretsManagerBackend } from '../../functions/node-shared/secrets-manager-vault.ts'
import { readReferences } from '../../functions/node-shared/references.ts'
import { readEntities } from '../../src/config/entities.ts'
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

  describe('as a vault', () => {
    /** Addresses are those of the entity alone. */
    const backendOf = (fields: Record<string, string | undefined>) => {
      for (const name of ['AWS_ENDPOINT_URL', 'AWS_SESSION_TOKEN']) delete process.env[name]
      Object.assign(process.env, keys())
      const config = { region: 'us-east-1', endpoint_url: moto?.address, sts_endpoint_url: moto?.address, ...fields }
      const list = JSON.stringify([{ name: 'aws', prefix: 'account', config }])
      const [{ backend } = { backend: null }] = readEntities({ ...process.env, KEYRING_VAULTS: list }, 'node').entities
      return backend?.type === 'aws' ? secretsManagerBackend(backend) : expect.unreachable()
    }
    const secretFrom = async (fields: Record<string, string | undefined>) => {
      const how = { insist: 'outage', signal: new AbortController().signal } as const
      const answer = await backendOf(fields).read({ resource: SECRET, version: null }, how)
      return answer.kind === 'secret' ? (JSON.parse(answer.text.reveal()) as object) : answer.kind
    }

    it('reads at the address of the entity, with our own keys', async () => {
      expect(await secretFrom({})).toMatchObject({ vault_token: 'of-moto' })
    })

    it('reads in a role that it takes first, and may no more than that role', async () => {
      expect(await secretFrom({ assume_role_arn: moto?.reader })).toMatchObject({ vault_token: 'of-moto' })
      // moto refuses in XML, which is not what Secrets Manager says; that is in test/unit/secret-backends.test.ts.
      await expect(secretFrom({ assume_role_arn: moto?.role })).rejects.toMatchObject({ code: 'ERR_AWS_UNAVAILABLE' })
    })

    it('says that the role cannot be taken', async () => {
      await expect(secretFrom({ assume_role_arn: moto?.closedRole })).rejects.toMatchObject({
        code: 'ERR_AWS_ROLE_REFUSED',
        remedy: expect.stringContaining('assume_role_arn'),
      })
    })
  })
})
