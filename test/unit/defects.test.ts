/** A defect of ours is neither an outage nor a refusal, wherever something is caught: it goes up as it is, and the log names it without its text. */
import { describe, expect, it } from 'vitest'
import { ask } from '../../functions/cli/answer.ts'
import { ANSWER_MS } from '../../functions/cli/target.ts'
import { objectStore } from '../../functions/cloudflare/object-store.ts'
import { unanswered } from '../../functions/cloudflare/unanswered.ts'
import { invokingAuthority } from '../../functions/lambda/authority.ts'
import { dynamoStore } from '../../functions/lambda/dynamo-store.ts'
import { KeyringError } from '../../src/core/errors.ts'
import type { KeyringErrorCode } from '../../src/core/errors.ts'
import { defectLine } from '../../src/core/lines.ts'
import { networkTrouble } from '../../src/core/network.ts'
import type { Message } from '../../src/core/operations.ts'
import { Secret } from '../../src/core/secret.ts'
import { webCipher } from '../../src/crypto/web.ts'
import { problem } from '../../src/http/problem.ts'
import { parseBody } from '../../src/http/schema.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import { runSchedule } from '../../src/keyring/schedule.ts'
import { readJwt } from '../../src/vault/login/credential.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world } from '../support/authority.ts'
import { FakeVault, instance } from '../support/fake-vault.ts'
import { NOW } from '../support/observed.ts'
import { withRead } from '../support/verbs.ts'

const DEFECT = new TypeError("Cannot read properties of undefined (reading 'canary')")
const coded = (code: string, more = {}) => Object.assign(new Error('canary'), { code, ...more })
const fetchFailed = (cause: unknown) => new TypeError('fetch failed', { cause })
const parsed = (lines: readonly string[]) => lines.map((line): unknown => JSON.parse(line))

describe('what is thrown', () => {
  it('by a check of a body is no fault of the body', () => {
    const check = () => {
      throw DEFECT
    }
    expect(() => parseBody({ field: check }, { field: 'x' })).toThrow(DEFECT)
  })

  it.each([
    ['an error of the program', DEFECT],
    ['what a broken bundle throws', new Error('Dynamic require of "node:assert" is not supported')],
    ['a module that is not there', coded('ERR_MODULE_NOT_FOUND')],
    ['the same in CommonJS', coded('MODULE_NOT_FOUND')],
    ['what cannot be parsed', new SyntaxError('canary')],
    ['an argument that Node does not take', coded('ERR_INVALID_ARG_TYPE')],
    ['one that undici does not take', fetchFailed(coded('UND_ERR_INVALID_ARG'))],
    ['an error of the program inside of fetch', fetchFailed(DEFECT)],
    ['a fetch that does not say why', new TypeError('fetch failed')],
    ['a file', coded('ENOENT', { path: '/canary' })],
    ['a limit of the platform', new Error('Too many subrequests.')],
    ['a limit that the text of an error of the program could be taken for', new TypeError('dns_error')],
    ['what is no error', 'canary'],
  ])('%s is a defect', (_name, thrown) => expect(networkTrouble(thrown)).toBeNull())

  it.each([
    ['ECONNREFUSED', fetchFailed(coded('ECONNREFUSED'))],
    ['UND_ERR_SOCKET', new TypeError('terminated', { cause: coded('UND_ERR_SOCKET') })],
    ['HPE_INVALID_CONSTANT', fetchFailed(coded('HPE_INVALID_CONSTANT'))],
    ['CERT_HAS_EXPIRED', coded('CERT_HAS_EXPIRED')],
    [null, fetchFailed(new Error('bad port'))],
    [null, new Error('Network connection lost.')],
    [null, new Error('internal error; reference = canary')],
    [null, new Error('connection_refused')],
  ])('%s is trouble of the network', (code, thrown) => expect(networkTrouble(thrown)).toMatchObject({ code }))
})

describe('a sync', () => {
  it('with a defect fails with it, and the status says neither that all is well nor that Vault is down', async () => {
    const on = world(DEFECT)
    const authority = authorityOn(on)
    await expect(authority.sync('default', PLAIN_SYNC)).rejects.toBe(DEFECT)
    expect(await authority.status('default')).toMatchObject({
      value: { failing: { code: 'ERR_INTERNAL', since: NOW }, failures: 1, lastAttempt: NOW, lastSuccess: null },
    })
    const { last_error: error, needed } = await (await keyringOn(on)).status()
    expect([error?.code, needed[0]]).toEqual(['ERR_INTERNAL', expect.stringContaining('log')])
    on.versions = ['a:1']
    await authority.sync('default', PLAIN_SYNC)
    expect(await authority.status('default')).toMatchObject({ value: { failing: null, failures: 0 } })
  })

  it('with the token of a caller leaves the status as it was', async () => {
    const authority = authorityOn(world(DEFECT))
    await expect(authority.sync('default', { ...PLAIN_SYNC, token: 'x' })).rejects.toBe(DEFECT)
    expect(await authority.status('default')).toMatchObject({ value: { failing: null, lastAttempt: null } })
  })

  it('on schedule does not hold up the next keyring, and the log has the defect', async () => {
    const [bad, good] = [authorityOn(world(DEFECT)), authorityOn(world(['a:1']), undefined, ['orders'])]
    const both = distantAuthority((message) =>
      ('keyring' in message && message.keyring === 'default' ? bad : good).call(message),
    )
    const lines: string[] = []
    expect(await runSchedule(both, ['default', 'orders'], (line) => lines.push(line))).toBe(false)
    expect(parsed(lines)).toMatchObject([
      { level: 'error', request: 'schedule', defect: 'TypeError' },
      { level: 'warn', keyring: 'default', outcome: 'failed', code: 'ERR_INTERNAL' },
      { level: 'info', keyring: 'orders', outcome: 'synced', code: null },
    ])
    expect(await runSchedule(both, ['orders'], () => {})).toBe(true)
  })
})

it('a login with a defect closes no circuit, and the lease is free: the next one tries at once', async () => {
  const [vault, store] = [new FakeVault(), memoryStore()]
  const { read } = instance(vault, store)
  vault.refuses = DEFECT
  await expect(vault.clock.run(read())).rejects.toBe(DEFECT)
  vault.refuses = null
  const [before] = [vault.clock.time, await vault.clock.run(read())]
  expect(vault.logins).toEqual([expect.any(Number), before])
})

it('an authority that answers with a defect of its own is not one that cannot be asked', async () => {
  const on = world(['key-1:1'])
  const authority = authorityOn(on)
  let code: KeyringErrorCode | null = null
  const failing = async (...asked: Parameters<typeof authority.read>) =>
    code === null
      ? authority.read(...asked)
      : { ok: false as const, error: { code, message: 'x.', remedy: 'y', facts: {} } }
  const keyring = await keyringOn(on, undefined, withRead(authority, failing))
  await keyring.sync(PLAIN_SYNC)
  const { ciphertext } = await keyring.encrypt(new Uint8Array(), new Uint8Array())
  const unknown = () => keyring.decrypt(ciphertext.replace('key-1', 'key-9'), new Uint8Array())
  code = 'ERR_STORE_UNAVAILABLE'
  await expect(unknown()).rejects.toMatchObject({ code: 'ERR_KEY_UNVERIFIED' })
  code = 'ERR_INTERNAL'
  await expect(unknown()).rejects.toMatchObject({ code: 'ERR_INTERNAL' })
})

describe('the sync function of Lambda', () => {
  const invoked = (answer: object | Error) => {
    const aws = () =>
      answer instanceof Error
        ? Promise.reject(answer)
        : Promise.resolve({ status: 200, headers: new Headers({ 'x-amz-function-error': 'Unhandled' }), body: answer })
    const authority = invokingAuthority({ aws, syncFunction: 'sync', rotateFunction: 'rotate', leftMs: () => 5000 })
    return authority.call({ call: 'sync', keyring: 'default', options: PLAIN_SYNC })
  }

  it.each([
    ['ERR_INTERNAL', { errorType: 'Error', errorMessage: 'canary' }],
    ['ERR_INTERNAL', { errorType: 'Runtime.ImportModuleError', errorMessage: 'canary' }],
    ['ERR_AUTHORITY_UNAVAILABLE', { errorType: 'Sandbox.Timedout', errorMessage: 'canary' }],
    ['ERR_AUTHORITY_UNAVAILABLE', { errorType: 'Runtime.ExitError', errorMessage: 'canary' }],
    ['ERR_AUTHORITY_UNAVAILABLE', { errorType: 'Runtime.OutOfMemory', errorMessage: 'canary' }],
    ['ERR_AUTHORITY_UNAVAILABLE', { errorMessage: 'canary: Task timed out after 90.00 seconds' }],
    ['ERR_AUTHORITY_UNAVAILABLE', fetchFailed(coded('ECONNREFUSED'))],
    ['ERR_AUTHORITY_UNAVAILABLE', new DOMException('canary', 'AbortError')],
  ])('gives %s for %o', async (code, answer) => {
    const result = await invoked(answer)
    expect(result).toMatchObject({ ok: false, error: { code } })
    expect(JSON.stringify(result)).not.toContain('canary')
  })

  it.each<[Message<'sync' | 'rotate'>, number]>([
    [{ call: 'sync', keyring: 'default', options: PLAIN_SYNC }, 2],
    [{ call: 'rotate', keyring: 'default', dryRun: false }, 1],
  ])(
    'is asked for %o by %i requests when the connection breaks, since a rotation may have been carried out',
    async (message, times) => {
      let sent = 0
      const aws = () => ((sent += 1), Promise.reject(fetchFailed(coded('ECONNRESET'))))
      const authority = invokingAuthority({ aws, syncFunction: 'sync', rotateFunction: 'rotate', leftMs: () => 5000 })
      await authority.call(message)
      expect(sent).toBe(times)
    },
  )

  it('is not asked when the asking has a defect', async () => {
    await expect(invoked(DEFECT)).rejects.toBe(DEFECT)
  })
})

describe('a call to the Durable Object', () => {
  const marked = (error: Error, marks: object) => Object.assign(error, marks)

  it.each([
    ['ERR_INTERNAL', marked(new Error('canary'), { remote: true })],
    ['ERR_INTERNAL', marked(new TypeError('canary'), { remote: true })],
    ['ERR_AUTHORITY_UNAVAILABLE', marked(new Error('canary'), { remote: true, durableObjectReset: true })],
    ['ERR_AUTHORITY_UNAVAILABLE', marked(new Error('canary'), { overloaded: true })],
    ['ERR_AUTHORITY_UNAVAILABLE', marked(new Error('Network connection lost.'), { retryable: true })],
    ['ERR_AUTHORITY_UNAVAILABLE', new Error('internal error; reference = canary')],
    ['ERR_AUTHORITY_UNAVAILABLE', new DOMException('canary', 'TimeoutError')],
  ])('gives %s for %o', (code, thrown) => {
    const result = unanswered(thrown)
    expect(result).toMatchObject({ ok: false, error: { code } })
    expect(JSON.stringify(result)).not.toContain('canary')
  })

  it.each([
    ['overloaded', { overloaded: true, remote: true, retryable: true }, '5'],
    ['gone', { retryable: true }, undefined],
  ])(
    'is answered with 503, and with Retry-After where the object has too much to do: %s',
    async (_name, marks, after) => {
      const origin = distantAuthority(async () => unanswered(marked(new Error('canary'), marks)))
      const keyring = await keyringOn(world(['a:1']), undefined, origin)
      const error: unknown = await keyring.sync(PLAIN_SYNC).catch((thrown: unknown) => thrown)
      const { status, headers } = problem('/keyrings/default', error as KeyringError, 'request', {})
      expect([status, headers?.['retry-after']]).toEqual([503, after])
    },
  )

  it('with a defect on this side goes up as it is', () => expect(() => unanswered(DEFECT)).toThrow(DEFECT))
})

describe('goes up as it is', () => {
  it('through the reading of a credential, which a file that is not there does not', async () => {
    const jwt = (thrown: Error) => readJwt({ file: '/x' }, 'X', { readFile: () => Promise.reject(thrown) })
    await expect(jwt(DEFECT)).rejects.toBe(DEFECT)
    await expect(jwt(coded('ERR_INVALID_ARG_TYPE'))).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
    await expect(jwt(coded('ENOENT'))).rejects.toMatchObject({ code: 'ERR_LOGIN_CREDENTIAL_UNREADABLE' })
  })

  it('through the opening of a value, where a wrong tag gives nothing', async () => {
    const nonce = new Uint8Array(24)
    const key = await webCipher.messageKey(await webCipher.importKey(new Uint8Array(32)), nonce.subarray(0, 12))
    expect(await webCipher.open(key, new Uint8Array(40), 24, nonce)).toBeNull()
    await expect(webCipher.open(key, nonce, 24, 'no bytes' as never)).rejects.toThrow(TypeError)
  })

  it('through the store in DynamoDB, after one attempt', async () => {
    let asked = 0
    const aws = () => {
      asked += 1
      return Promise.reject(DEFECT)
    }
    const clock = { now: () => 0, sleep: async () => {} }
    await expect(dynamoStore({ aws, table: 't', clock, leftMs: () => 5000 }).get('k')).rejects.toBe(DEFECT)
    expect(asked).toBe(1)
  })

  it('through the store in a Durable Object', async () => {
    let error: Error | null = null
    const exec = () => {
      if (error !== null) throw error
      return { toArray: () => [], rowsWritten: 0 }
    }
    const store = objectStore({ sql: { exec }, sync: async () => {} }, 1000)
    error = DEFECT
    await expect(store.get('k')).rejects.toBe(DEFECT)
    error = new Error('SQLITE_FULL canary')
    await expect(store.get('k')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
  })

  it('through the command line', async () => {
    const target = (thrown: unknown) => ({
      where: 'here',
      base: 'http://localhost',
      token: new Secret('of-no-importance'),
      tokenRemedy: '',
      fetch: () => Promise.reject(thrown),
      answerMs: ANSWER_MS,
      close: async () => {},
    })
    await expect(ask(target(DEFECT), 'GET', '/')).rejects.toBe(DEFECT)
    await expect(ask(target(fetchFailed(coded('ECONNREFUSED'))), 'GET', '/')).rejects.toThrow(
      'ERR_DEPLOYMENT_UNREACHABLE: http://localhost cannot be reached (ECONNREFUSED).',
    )
  })
})

it('the log has name, code and frames of a defect and of all that caused it, and no text of theirs', () => {
  const cause = new SyntaxError('canary', { cause: coded('ERR_MODULE_NOT_FOUND') })
  const line = defectLine(new TypeError('canary', { cause }), 'r')
  const frames = expect.arrayContaining([expect.stringMatching(/^at /)])
  expect(JSON.parse(line)).toEqual({
    time: expect.any(String),
    level: 'error',
    request: 'r',
    defect: 'TypeError',
    frames,
    cause: { defect: 'SyntaxError', frames, cause: { defect: 'Error', code: 'ERR_MODULE_NOT_FOUND', frames } },
  })
  expect(line).not.toContain('canary')
  const own: Error & { cause?: unknown } = new Error('canary')
  own.cause = own
  expect(defectLine(own, 'r')).toContain('"cause"')
})

it('a foreign error that calls itself one of ours is a defect', () => {
  expect(Object.assign(new Error('canary'), { name: 'KeyringError' })).not.toBeInstanceOf(KeyringError)
})
