import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import { nodeCipher } from '../../functions/node-shared/cipher.ts'
import { Secret } from '../../src/core/secret.ts'
import { deriveFor } from '../../src/crypto/derive.ts'
import { eventOf } from '../support/lambda/cloud.ts'
import { faultsBefore } from '../support/lambda/faults.ts'
import { listen } from '../support/listen.ts'
import type { LambdaDeployment } from '../support/lambda/deployment.ts'
import { ROTATE_FUNCTION, deployLambda } from '../support/lambda/deployment.ts'
import type { VaultClient } from '../support/vault.ts'
import { faultyProxy, vaultClient } from '../support/vault.ts'
import { settingsOf } from '../support/settings.ts'

const TOKEN = 'ek_lambda_admin'
const SCHEDULED = { source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} }
const KEY = (name: string): string => `${name}: some key material of no importance 0123456789`
const AUTHORIZED = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }

const settings = (address: string) => settingsOf(address, TOKEN)

type Http = Awaited<ReturnType<LambdaDeployment['startHttp']>>

async function call({ url }: Pick<Http, 'url'>, method: string, path: string, body?: object) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) }
  const response = await fetch(url + path, { method, headers: AUTHORIZED, ...sent })
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
}

describe('on Lambda', () => {
  let vault: DevVault
  let secrets: VaultClient
  let deployment: LambdaDeployment
  let one: Http
  let two: Http

  beforeAll(async () => {
    vault = await startDevVault({ port: 0, dataFile: null })
    secrets = vaultClient(vault.address, 'root')
    await secrets.write('keyring', { id: 'first001', key: KEY('first') })
    deployment = await deployLambda({ ...settings(vault.address), KEYRING_ROTATION: '0 0 29 2 *' })
    ;[one, two] = [await deployment.startHttp(), await deployment.startHttp()]
  }, 60_000)
  afterAll(async () => {
    await deployment.stop()
    await vault.close()
  })

  it('the event of the schedule syncs what is due, and says so; once it is done nothing is due', async () => {
    expect(await deployment.sync.invoke(SCHEDULED)).toEqual({ failed: false, body: null })
    expect((await call(one, 'GET', '/keyring')).body).toEqual({ ids: ['first001'], active: 'first001' })
    await deployment.sync.invoke(SCHEDULED)
    const lines = deployment.sync.output().match(/"schedule":"sync".*/g)
    expect(lines).toEqual([expect.stringContaining('"keyring":"default","outcome":"synced"')])
  })

  it('a cron expression is read when it is set, and status has its next time', async () => {
    const { body } = await call(one, 'GET', '/keyrings/default')
    expect(body['rotation']).toMatchObject({ next: expect.stringMatching(/^\d{4}-02-29T00:00:00/) })
  })

  it('a rotation is loaded when somebody asks for one', async () => {
    const looked = await call(one, 'POST', '/keyring/rotate', { dry_run: true })
    expect(looked).toMatchObject({ status: 200, body: { rotated: false, active: 'first001' } })
  })

  it('two instances: a sync of one shows in the GET of the other, and what one encrypts the other decrypts', async () => {
    const before = await call(two, 'POST', '/keyrings/default/encrypt', { plaintext: 'x' })
    expect(before.body).toMatchObject({ key_id: 'first001' })
    await secrets.write('keyring', { id: 'second02', key: KEY('second') })
    expect(await call(one, 'POST', '/keyring/vault/sync')).toMatchObject({ status: 204 })

    const { body } = await call(one, 'POST', '/keyrings/default/encrypt', { plaintext: 'new key' })
    expect(body).toMatchObject({ key_id: 'second02' })
    expect((await call(two, 'POST', '/keyrings/default/encrypt', { plaintext: 'x' })).body).toMatchObject({
      key_id: 'first001',
    })
    const opened = await call(two, 'POST', '/keyrings/default/decrypt', { ciphertext: body['ciphertext'] })
    expect(opened).toMatchObject({ status: 200, body: { plaintext: 'new key' } })
    expect((await call(two, 'GET', '/keyring/active')).body).toEqual({ id: 'second02' })
  })

  it('a removal through one instance is done by the sync function, and shows in the other', async () => {
    const refused = await call(one, 'POST', '/keyring/remove', { id: 'first001' })
    expect(refused).toMatchObject({ status: 409, body: { code: 'ERR_KEY_IN_USE' } })
    expect(await call(one, 'POST', '/keyring/remove', { id: 'first001', force: true })).toMatchObject({ status: 204 })
    expect((await call(two, 'GET', '/keyring')).body).toEqual({ ids: ['second02'], active: 'second02' })
  })

  it('a body in base64 is the same as one in text', async () => {
    const body = Buffer.from('{"plaintext":"grüße"}')
    const plain = eventOf({ url: '/keyrings/default/encrypt', method: 'POST', headers: AUTHORIZED }, body)
    const encoded = { ...plain, body: body.toString('base64'), isBase64Encoded: true }
    const answers = [await one.instance.invoke(plain), await one.instance.invoke(encoded)]
    expect(answers).toMatchObject([{ body: { statusCode: 200 } }, { body: { statusCode: 200 } }])
  })

  it('payload 2.0 of API Gateway is served with cookies and a query', async () => {
    const headers = { ...AUTHORIZED, cookie: 'a=1; b=2' }
    const event = eventOf({ url: '/keyring?x=%20y', method: 'GET', headers }, Buffer.alloc(0))
    expect(event).toMatchObject({ cookies: ['a=1', 'b=2'], rawQueryString: 'x=%20y' })
    expect(await one.instance.invoke(event)).toMatchObject({ body: { statusCode: 200 } })
  })

  it('a token that stands under two spellings of one name lets nobody in, in whatever order', async () => {
    const event = eventOf({ url: '/keyring', method: 'GET', headers: {} }, Buffer.alloc(0))
    for (const headers of [
      { 'Kong-Admin-Token': 'wrong', 'kong-admin-token': TOKEN },
      { 'kong-admin-token': TOKEN, 'KONG-ADMIN-TOKEN': 'wrong' },
      { Authorization: 'Bearer gateway', authorization: `Bearer ${TOKEN}` },
    ])
      expect(await one.instance.invoke({ ...event, headers })).toMatchObject({ body: { statusCode: 400 } })
    const doubled = {
      ...event,
      headers: { 'kong-admin-token': 'wrong' },
      multiValueHeaders: { 'kong-admin-token': [TOKEN] },
    }
    expect(await one.instance.invoke(doubled)).toMatchObject({ body: { statusCode: 401 } })
  })

  it('without a credential every path is answered alike, by every method, whatever body came', async () => {
    const answers = new Set<string>()
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
      for (const url of [
        '/keyring',
        '/keyring/vault/sync',
        '/keyrings/default/encrypt',
        '/keyrings/%zz/encrypt',
        '/nowhere',
      ])
        for (const size of [0, 2, 2_000_000]) {
          const event = eventOf({ url, method, headers: {} }, Buffer.alloc(size, 'x'))
          const { body } = await one.instance.invoke(event)
          answers.add(JSON.stringify(body).replace(/"request\\":\\"[^"]+"/, ''))
        }
    const [answer = '', bodiless = '', ...others] = [...answers].toSorted((a, b) => b.length - a.length)
    expect(others).toEqual([])
    expect(JSON.parse(bodiless)).toMatchObject({ statusCode: 401, body: '' })
    expect(answer).toMatch(/"statusCode":401.*ERR_UNAUTHENTICATED|ERR_UNAUTHENTICATED.*"statusCode":401/)
  })

  describe('an event that no request makes', () => {
    const event = eventOf({ url: '/keyring', method: 'GET', headers: AUTHORIZED }, Buffer.alloc(0))
    const { http } = event.requestContext
    const asMethod = (method: unknown) => ({
      ...event,
      requestContext: { ...event.requestContext, http: { ...http, method } },
    })
    const canary = 'canary \u001b[2J'

    it.each<[string, unknown]>([
      ['nothing', null],
      ['a text', canary],
      ['an event of a schedule', { source: 'aws.events', detail: canary }],
      ['a method that fetch refuses', asMethod('TRACE')],
      ['a method that is none', asMethod(canary)],
      ['no method', asMethod(undefined)],
      ['a path that is a number', { ...event, rawPath: 1 }],
      ['a port that is none', { ...event, requestContext: { ...event.requestContext, domainName: `${canary}:99999` } }],
      ['a host that is none', { ...event, requestContext: { ...event.requestContext, domainName: `${canary} /` } }],
      ['a body that is no text to a GET', { ...event, body: { canary } }],
      ['a body that is not base64', { ...asMethod('POST'), body: canary, isBase64Encoded: true }],
      ['a body that is no text', { ...asMethod('POST'), rawPath: '/keyring/remove', body: { canary } }],
      [
        'a header that is a number',
        { ...event, headers: { ...AUTHORIZED, 'x-request-id': 1e300, 'content-length': -1 } },
      ],
      ['headers that are none', { ...event, headers: canary }],
    ])('%s is answered, and leaves nothing of itself in the log', async (_name, odd) => {
      const { failed, body } = await one.instance.invoke(odd)
      expect(failed).toBe(false)
      expect(body).toMatchObject({ statusCode: expect.any(Number) })
      expect(JSON.stringify(body) + one.instance.output()).not.toContain('canary')
    })

    it('half a character in a body is refused, which would be another one in the request', async () => {
      const body = '{"plaintext":"p","context":"\ud800"}'
      const path = '/keyrings/default/encrypt'
      const odd = {
        ...asMethod('POST'),
        rawPath: path,
        headers: { ...AUTHORIZED, 'content-type': 'application/json' },
        body,
      }
      expect(await one.instance.invoke(odd)).toMatchObject({ failed: false, body: { statusCode: 400 } })
    })
  })

  it.each([
    ['nothing', null],
    ['an event of another kind', { source: 'aws.s3', 'detail-type': 'Scheduled Event', detail: 'canary' }],
    ['a call that does not exist', { call: 'read', keyring: 'canary', withinMs: 1000 }],
    [
      'a call with more than it needs',
      {
        call: 'sync',
        keyring: 'default',
        withinMs: 1000,
        options: { force: false, adopt: false, token: null },
        canary: 1,
      },
    ],
  ])('the sync function fails at %s, and says so without what is in it', async (_name, event) => {
    const before = deployment.sync.output().length
    expect(await deployment.sync.invoke(event)).toMatchObject({ failed: true })
    await expect
      .poll(() => deployment.sync.output().slice(before))
      .toMatch(/"part":"event","code":"ERR_REQUEST_INVALID"/)
    expect(deployment.sync.output().slice(before)).not.toMatch(/canary|aws\.s3/)
  })

  it('the HTTP function reads no items but those that its role names, and derived keys are enough for it', async () => {
    const wrappingKey = { id: 'w1', purpose: null, key: new Secret(Buffer.alloc(32, 1).toString('base64')) }
    const [derived] = await deriveFor(nodeCipher, [wrappingKey], 'keyring/default')
    const seen = await faultsBefore(deployment.endpoint)
    const http = await deployment.startHttp({
      AWS_ENDPOINT_URL_DYNAMODB: seen.url,
      KEYRING_WRAPPING_KEYS: `w1/keyring/default:${derived?.key.reveal()}`,
    })
    expect(await call(http, 'POST', '/keyring/vault/sync')).toMatchObject({ status: 204 })
    const { body } = await call(http, 'POST', '/keyrings/default/encrypt', { plaintext: 'x' })
    expect(await call(http, 'POST', '/keyrings/default/decrypt', body)).toMatchObject({ status: 400 })
    const { ciphertext } = body
    expect(await call(http, 'POST', '/keyrings/default/decrypt', { ciphertext })).toMatchObject({ status: 200 })
    for (const path of ['/readyz', '/keyring', '/keyring/active', '/keyrings/default', '/keyrings/default/doctor'])
      expect(await call(http, 'GET', path)).toMatchObject({ status: 200 })
    await call(http, 'POST', '/keyring/remove', { id: 'unknown9' })
    expect([...seen.items].toSorted()).toEqual(['keyring/default', 'status/default'])
    expect(new Set(seen.asked)).toEqual(new Set(['GetItem']))
    await seen.close()
  })

  describe('when the sync function cannot be used', () => {
    const unavailable = (why: string) => ({
      status: 503,
      body: { code: 'ERR_AUTHORITY_UNAVAILABLE', detail: `The sync function cannot be used (${why}).` },
    })

    it('because nobody answers, the sync fails and encryption goes on', async () => {
      const http = await deployment.startHttp({ AWS_ENDPOINT_URL_LAMBDA: 'http://127.0.0.1:9' })
      expect(await call(http, 'POST', '/keyring/vault/sync')).toMatchObject(unavailable('no connection'))
      expect(await call(http, 'POST', '/keyrings/default/encrypt', { plaintext: 'x' })).toMatchObject({ status: 200 })
    })

    it('because it has another name, the name of the exception is told', async () => {
      const http = await deployment.startHttp({ KEYRING_SYNC_FUNCTION: 'another' })
      const refused = unavailable('ResourceNotFoundException')
      expect(await call(http, 'POST', '/keyring/vault/sync')).toMatchObject(refused)
      expect(await call(http, 'POST', '/keyring/remove', { id: 'first001' })).toMatchObject(refused)
    })

    it.each([
      ['it threw', 200, { 'x-amz-function-error': 'Unhandled' }, '{"errorMessage":"secret-text"}', 'it failed'],
      ['it answers what is no result', 200, {}, '"secret-text"', 'it failed'],
      ['it is throttled', 429, { 'x-amzn-errortype': 'TooManyRequestsException' }, '{}', 'TooManyRequestsException'],
    ])('because %s', async (_name, status, headers, body, why) => {
      const api = await listen(async (_request, response) => void response.writeHead(status, headers).end(body))
      const http = await deployment.startHttp({ AWS_ENDPOINT_URL_LAMBDA: api.url })
      const answer = await call(http, 'POST', '/keyring/vault/sync')
      expect(answer).toMatchObject(unavailable(why))
      expect(JSON.stringify(answer) + http.instance.output()).not.toContain('secret-text')
      await api.close()
    })

    it('once, because a connection went stale, it is asked again', async () => {
      let cut = false
      const api = await listen(async (request, response) => {
        if (!cut) request.socket.destroy()
        else response.end('{"ok":false,"error":{"code":"ERR_VAULT_SEALED","message":"x.","remedy":"y","facts":{}}}')
        cut = true
      })
      const http = await deployment.startHttp({ AWS_ENDPOINT_URL_LAMBDA: api.url })
      expect(await call(http, 'POST', '/keyring/vault/sync')).toMatchObject({ body: { code: 'ERR_VAULT_SEALED' } })
      await api.close()
    })
  })

  it.each<[string, Record<string, string>, string]>([
    ['no table', { KEYRING_TABLE: '' }, 'KEYRING_TABLE'],
    ['no sync function', { KEYRING_SYNC_FUNCTION: '' }, 'KEYRING_SYNC_FUNCTION'],
    ['a way to Vault, which is not its own', { KEYRING_VAULT_TOKEN: 'secret-value' }, 'KEYRING_VAULT_TOKEN'],
    ['a name that is misspelt', { KEYRING_SYNC_FUNKTION: 'secret-value' }, 'KEYRING_SYNC_FUNKTION'],
    ['no credentials of AWS', { AWS_ACCESS_KEY_ID: '' }, 'AWS_ACCESS_KEY_ID'],
    ['plain http to AWS', { AWS_ENDPOINT_URL_LAMBDA: 'http://aws.example' }, 'AWS_ENDPOINT_URL_LAMBDA'],
  ])('an HTTP function with %s answers 503 with names, and logs why', async (_name, more, setting) => {
    const http = await deployment.startHttp(more)
    const answer = await call(http, 'GET', '/keyring')
    expect(answer).toMatchObject({ status: 503, body: { code: 'ERR_CONFIG_INVALID', settings: setting } })
    expect(await call(http, 'GET', '/healthz')).toMatchObject({ status: 200 })
    expect(http.instance.output()).toContain(`"setting":"${setting}"`)
    expect(JSON.stringify(answer) + http.instance.output()).not.toContain('secret-value')
  })

  it.each([
    ['lack the wrapping key of the record', 'w2', 'ERR_WRAPPING_KEY_MISSING'],
    ['have another one under its id', 'w1', 'ERR_WRAPPING_KEY_WRONG'],
  ])('an HTTP function whose settings %s says which, to its callers and once to its log', async (_name, id, code) => {
    await call(one, 'POST', '/keyring/vault/sync')
    const http = await deployment.startHttp({
      KEYRING_WRAPPING_KEYS: `${id}:${Buffer.alloc(32, 9).toString('base64')}`,
    })
    expect(await call(http, 'GET', '/readyz')).toMatchObject({ status: 503 })
    expect(http.instance.output().match(/"part":"settings".*/g)).toEqual([expect.stringContaining(code)])
    const { status, body } = await call(http, 'GET', '/keyring')
    expect([status, body['code'], body['wrappingKey']]).toEqual([500, code, 'w1'])
    expect(http.instance.output().match(/"part":"settings".*"w1/g)).toHaveLength(1)
  })

  it('a sync function with wrong settings says so to who asks it, and logs why', async () => {
    const wrong = await deployLambda({
      ...settings('ftp://secret-value'),
      KEYRING_VAULT_MOUNT: '',
      KEYRING_VAULT_CACERT: '/nowhere/secret-value.pem',
    })
    const http = await wrong.startHttp()
    expect(await call(http, 'POST', '/keyring/vault/sync')).toMatchObject({
      status: 503,
      body: { code: 'ERR_CONFIG_INVALID' },
    })
    expect(wrong.sync.output()).toMatch(/"setting":"KEYRING_VAULT_HOST".*\n.*"setting":"KEYRING_VAULT_MOUNT"/)
    expect(wrong.sync.output()).toMatch(/"setting":"KEYRING_VAULT_CACERT","problem":"names a file that cannot be read/)
    expect(wrong.output()).not.toContain('secret-value')
    await wrong.stop()
  })
})

describe('a rotation by hand', () => {
  it('is for the function that rotates, where there is one, and for the one that syncs elsewhere', async () => {
    const vault = await startDevVault({ port: 0, dataFile: null })
    await vaultClient(vault.address, 'root').write('keyring', { id: 'first001', key: KEY('first') })
    const deployment = await deployLambda(settings(vault.address))
    const rotate = await deployment.startRotate({ KEYRING_ROTATION_PRUNE: 'held' })
    const http = await deployment.startHttp({ KEYRING_ROTATE_FUNCTION: ROTATE_FUNCTION })
    await call(http, 'POST', '/keyring/vault/sync')
    expect(await call(http, 'POST', '/keyring/rotate')).toMatchObject({ body: { rotated: true, version: 2 } })
    const rotations = () => [rotate, deployment.sync].map((each) => each.output().match(/"action":"rotate"/g)?.length)
    expect(rotations()).toEqual([2, undefined])
    const without = await deployment.startHttp()
    await call(without, 'POST', '/keyring/vault/sync')
    expect(await call(without, 'POST', '/keyring/rotate')).toMatchObject({ body: { rotated: true, version: 3 } })
    expect(rotations()).toEqual([2, 2])
    const gone = await deployment.startHttp({ KEYRING_ROTATE_FUNCTION: 'another' })
    expect(await call(gone, 'POST', '/keyring/rotate')).toMatchObject({
      status: 503,
      body: { detail: 'The rotate function cannot be used (ResourceNotFoundException).' },
    })
    await deployment.stop()
    await vault.close()
  })
})

it('the first encrypt of a cold instance while Vault is down is one GetItem: no function is invoked, and Vault is not asked', async () => {
  const vault = await startDevVault({ port: 0, dataFile: null })
  const proxy = await faultyProxy(vault.address)
  await vaultClient(vault.address, 'root').write('keyring', { id: 'first001', key: KEY('first') })
  const deployment = await deployLambda(settings(proxy.address))
  await deployment.sync.invoke(SCHEDULED)
  proxy.spoil(/./, 'cut')
  proxy.seen.length = 0
  const seen = await faultsBefore(deployment.endpoint)
  const invoked: (string | undefined)[] = []
  const api = await listen(async ({ url }, response) => void (invoked.push(url), response.writeHead(500).end()))
  const http = await deployment.startHttp({ AWS_ENDPOINT_URL_DYNAMODB: seen.url, AWS_ENDPOINT_URL_LAMBDA: api.url })
  const { body } = await call(http, 'POST', '/keyrings/default/encrypt', { plaintext: 'x' })
  expect(body).toMatchObject({ key_id: 'first001' })
  expect([seen.asked, [...seen.items], invoked, proxy.seen]).toEqual([['GetItem'], ['keyring/default'], [], []])
  for (const each of [seen, api, proxy, vault]) await each.close()
  await deployment.stop()
})
