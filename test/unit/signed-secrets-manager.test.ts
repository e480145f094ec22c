/** Secrets Manager by signed requests, as Workers ask it, against a double that is strict about them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { settle } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import type { SecretsManagerSettings } from '../../src/vault/secrets-manager.ts'
import { signedSecretsManager } from '../../src/vault/secrets-manager.ts'
import { secretBackendContract } from '../contract/secret-backend.ts'
import type { Listening } from '../support/listen.ts'
import { listen } from '../support/listen.ts'
import type { SecretsManager } from '../support/secrets-manager.ts'
import { secretsManagerDouble } from '../support/secrets-manager.ts'

const HOW = { insist: 'outage', signal: new AbortController().signal } as const
const KEYS = {
  from: 'keys',
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: new Secret('of no importance'),
  sessionToken: null,
} as const

function backendAt(endpoint: string | null, more: Partial<SecretsManagerSettings> = {}, clock = systemClock) {
  const seen: Request[] = []
  const settings = { region: 'eu-west-1', endpoint, stsEndpoint: '', assume: null, keys: KEYS, ...more }
  const backend = signedSecretsManager(settings, { fetch: (request) => (seen.push(request), fetch(request)), clock })
  return { seen, read: (resource: string, version: number | null = null) => backend.read({ resource, version }, HOW) }
}

secretBackendContract('of Secrets Manager, by signed requests', async () => {
  const manager = await secretsManagerDouble()
  const settings = { region: 'eu-west-1', endpoint: manager.url, stsEndpoint: '', assume: null, keys: KEYS }
  return {
    backend: signedSecretsManager(settings, { fetch, clock: systemClock }),
    write: (resource, text) => manager.put(resource, text),
    remove: (resource) => manager.remove(resource),
    close: () => manager.close(),
  }
})

describe('Secrets Manager by signed requests', () => {
  let manager: SecretsManager
  let sts: Listening
  let taken: string[] = []
  beforeAll(async () => {
    manager = await secretsManagerDouble()
    sts = await listen(async (request, response) => {
      taken.push(request.headers.authorization ?? '')
      response.end(
        '<Response><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>of-the-role</SessionToken></Response>',
      )
    })
  })
  afterAll(() => Promise.all([manager.close(), sts.close()]))

  it('gives version 1 as the current one and 2 as the one before, and never one that is pending', async () => {
    for (const text of ['one', 'two']) manager.put('staged', text)
    manager.putPending('staged', 'three')
    const { read } = backendAt(manager.url)
    const texts = []
    for (const version of [null, 1, 2]) {
      const answer = await read('staged', version)
      texts.push(answer.kind === 'secret' && answer.text.reveal())
    }
    expect(texts).toEqual(['two', 'two', 'one'])
    expect(manager.asked()).toContain('staged AWSPREVIOUS eu-west-1')
  })

  it.each([
    ['ResourceNotFoundException', { kind: 'absent' }],
    ['com.amazonaws.secretsmanager#AccessDeniedException', { kind: 'forbidden' }],
  ])('takes %s for an answer', async (exception, answer) => {
    manager.fail(exception)
    expect(await backendAt(manager.url).read('x')).toEqual(answer)
    manager.fail(null)
  })

  it.each(['ThrottlingException', 'InvalidRequestException', 'ExpiredTokenException', 'canary of aws 1'])(
    'takes %s for an outage, and quotes no text of it',
    async (exception) => {
      manager.fail(exception)
      const failed = await settle(() => backendAt(manager.url).read('x'))
      manager.fail(null)
      expect(failed).toMatchObject({ ok: false, error: { code: 'ERR_AWS_UNAVAILABLE' } })
      expect(JSON.stringify(failed)).not.toContain('canary')
    },
  )

  it('says of a binary secret that it is none of use', async () => {
    manager.put('binary', Buffer.from([1, 2]))
    await expect(backendAt(manager.url).read('binary')).rejects.toMatchObject({ code: 'ERR_SECRET_UNUSABLE' })
  })

  it.each([
    ['eu-west-1', 'https://secretsmanager.eu-west-1.amazonaws.com/'],
    ['cn-north-1', 'https://secretsmanager.cn-north-1.amazonaws.com.cn/'],
  ])('asks the endpoint of the region %s', async (region, url) => {
    const seen: string[] = []
    const settings = { region, endpoint: null, stsEndpoint: '', assume: null, keys: KEYS }
    const backend = signedSecretsManager(settings, {
      fetch: async (request) => (seen.push(request.url), Response.json({ SecretString: 'x' })),
      clock: systemClock,
    })
    await backend.read({ resource: 'x', version: null }, HOW)
    expect(seen).toEqual([url])
  })

  it('takes a role once for many secrets, and again before its keys end or when they are no good', async () => {
    manager.put('of-role', 'x')
    taken = []
    const clock = { ...systemClock, aheadMs: 0, now: () => Date.now() + clock.aheadMs }
    const assume = { arn: 'arn:aws:iam::123456789012:role/reader', session: 'KongVault' }
    const { read, seen } = backendAt(manager.url, { stsEndpoint: `${sts.url}/`, assume }, clock)
    for (let time = 0; time < 3; time += 1) await read('of-role')
    expect(taken).toEqual([expect.stringContaining('/eu-west-1/sts/aws4_request')])
    const tokens = seen.flatMap(({ headers }) => headers.get('x-amz-security-token') ?? [])
    expect(tokens).toEqual(Array<string>(3).fill('of-the-role'))
    clock.aheadMs = 600_000
    await Promise.all([read('of-role'), read('of-role')])
    expect(taken).toHaveLength(2)
    manager.fail('ExpiredTokenException')
    await expect(read('of-role')).rejects.toMatchObject({ code: 'ERR_AWS_UNAVAILABLE' })
    manager.fail(null)
    await read('of-role')
    expect(taken).toHaveLength(3)
  })
})
