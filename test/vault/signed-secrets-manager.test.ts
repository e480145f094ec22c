/** Secrets Manager and STS by signed requests, as Workers ask them, against moto, which verifies signatures and policies. */
import { afterAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { Secret } from '../../src/core/secret.ts'
import type { SecretsManagerSettings } from '../../src/vault/secrets-manager.ts'
import { signedSecretsManager } from '../../src/vault/secrets-manager.ts'
import { SECRET, startMoto } from '../support/moto.ts'

const moto = await startMoto()
const signal = new AbortController().signal

/** With the keys of the account unless others are given. */
function read(more: Partial<SecretsManagerSettings> & { readonly secret?: string } = {}, resource = SECRET) {
  const { address: endpoint = '', account } = moto ?? {}
  const { secret = account?.secret ?? '', ...others } = more
  const keys = {
    from: 'keys',
    accessKeyId: account?.id ?? '',
    secretAccessKey: new Secret(secret),
    sessionToken: null,
  } as const
  const settings = { region: 'us-east-1', endpoint, stsEndpoint: endpoint, assume: null, keys, ...others }
  return signedSecretsManager(settings, { fetch, clock: systemClock }).read(
    { resource, version: null },
    { insist: 'outage', signal },
  )
}

describe.skipIf(moto === null)('Secrets Manager by signed requests', () => {
  afterAll(() => moto?.close())

  it('gives a secret to who may read it, and says that there is no other', async () => {
    const answer = await read()
    expect(answer.kind === 'secret' && answer.text.reveal()).toContain('of-moto')
    expect(await read({}, 'none')).toEqual({ kind: 'absent' })
  })

  it('does not take a signature by another key', async () => {
    await expect(read({ secret: 'another' })).rejects.toMatchObject({ code: 'ERR_AWS_UNAVAILABLE' })
  })

  /** moto says so in XML, which Secrets Manager does not. */
  it('gives nothing to a role that may not read, with the keys that STS gave for it', async () => {
    const assume = { arn: moto?.role ?? '', session: 'KongVault' }
    await expect(read({ assume })).rejects.toThrow('answers 403')
  })

  it('is not asked where STS does not let us take the role', async () => {
    const assume = { arn: moto?.closedRole ?? '', session: 'KongVault' }
    await expect(read({ assume })).rejects.toMatchObject({ code: 'ERR_AWS_ROLE_REFUSED' })
  })
})
