/** How each platform says that Vault was not reached, as seen there (reasons of Node and workerd, Cloudflare's statuses): one error for each. */
import { describe, expect, it } from 'vitest'
import type { Fetch } from '../../src/core/ports.ts'
import { Secret } from '../../src/core/secret.ts'
import { askOutside } from '../../src/vault/login/outside.ts'
import { withHeaders } from '../../src/vault/wire/headers.ts'
import { vaultTransport } from '../../src/vault/wire/transport.ts'

const ADDRESS = 'https://vault.example:8200'
const waits: number[] = []
const clock = { now: () => 0, sleep: async (ms: number) => void waits.push(ms) }

function asking(fetch: Fetch, address = ADDRESS) {
  waits.length = 0
  let requests = 0
  const counted: Fetch = (request) => {
    requests += 1
    return fetch(request)
  }
  const transport = vaultTransport({ fetch: counted, clock, address, namespace: '', timeoutMs: 1000 })
  const { signal } = new AbortController()
  const asked = transport.get({ segments: ['secret', 'data', 'x'], token: 'hvs.canary', signal })
  return asked.then(
    () => expect.unreachable('it should have failed'),
    (error: Record<'code' | 'message' | 'remedy', string> & { facts: object }) => ({ error, requests }),
  )
}

const failed = (cause: object) => Object.assign(new TypeError('fetch failed'), { cause })
const throwing =
  (thrown: unknown): Fetch =>
  () =>
    Promise.reject(thrown)
const answering =
  (status: number, body: string, headers: Record<string, string> = {}): Fetch =>
  async () =>
    new Response(body, { status, headers })

const CLIENT = /possibly .*KEYRING_VAULT_CLIENT_CERT/

describe('on Node', () => {
  it.each([
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'ERR_VAULT_TLS_UNTRUSTED', 'tls', /KEYRING_VAULT_CACERT/, 1],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'ERR_VAULT_TLS_UNTRUSTED', 'tls', /KEYRING_VAULT_CACERT/, 1],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'ERR_VAULT_TLS_UNTRUSTED', 'tls', /KEYRING_VAULT_CACERT/, 1],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'ERR_VAULT_TLS_UNTRUSTED', 'tls', /every intermediate/, 1],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_VAULT_TLS_HOST_MISMATCH', 'tls', /KEYRING_VAULT_TLS_SERVER_NAME/, 1],
    ['CERT_HAS_EXPIRED', 'ERR_VAULT_TLS_EXPIRED', 'tls', /KEYRING_VAULT_CACERT/, 1],
    ['CERT_NOT_YET_VALID', 'ERR_VAULT_TLS_EXPIRED', 'tls', /clock/, 1],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'ERR_VAULT_TLS_CLIENT_CERT', 'tls', /KEYRING_VAULT_CLIENT_CERT/, 1],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'ERR_VAULT_TLS_CLIENT_CERT', 'tls', /tls_client_ca_file/, 1],
    ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', 'ERR_VAULT_TLS_CLIENT_CERT', 'tls', /KEYRING_VAULT_CLIENT_KEY/, 1],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_VAULT_TLS_TO_PLAINTEXT', 'tls', /KEYRING_VAULT_HOST/, 1],
    ['EPROTO', 'ERR_VAULT_TLS_TO_PLAINTEXT', 'tls', /KEYRING_VAULT_HOST/, 1],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'ERR_VAULT_TLS_FAILED', 'tls', /TLS 1\.2.*KEYRING_VAULT_CACERT/, 1],
    ['ENOTFOUND', 'ERR_VAULT_UNREACHABLE', 'dns', /host name in KEYRING_VAULT_HOST/, 3],
    ['EAI_AGAIN', 'ERR_VAULT_UNREACHABLE', 'dns', /name server/, 3],
    ['ECONNREFUSED', 'ERR_VAULT_UNREACHABLE', 'connect', /host and port in KEYRING_VAULT_HOST/, 3],
    ['UND_ERR_CONNECT_TIMEOUT', 'ERR_VAULT_UNREACHABLE', 'connect', /firewalls/, 3],
    ['UND_ERR_SOCKET', 'ERR_VAULT_UNREACHABLE', 'connect', CLIENT, 3],
    ['ECONNRESET', 'ERR_VAULT_UNREACHABLE', 'connect', CLIENT, 3],
    ['UND_ERR_RES_EXCEEDED_MAX_SIZE', 'ERR_VAULT_ANSWER_INVALID', 'read', /KEYRING_VAULT_HOST/, 1],
    ['ESOMETHING', 'ERR_VAULT_UNREACHABLE', 'connect', /KEYRING_VAULT_HOST/, 3],
  ])('%s', async (reason, code, step, remedy, expected) => {
    for (const thrown of [failed({ code: reason }), Object.assign(new Error('x'), { code: reason })]) {
      const { error, requests } = await asking(throwing(thrown))
      expect(error).toMatchObject({ code, facts: { step, reason, host: 'vault.example:8200' } })
      expect(error.remedy).toMatch(remedy)
      expect(requests).toBe(expected)
    }
  })

  it('what is no trouble of the network goes up as it is, after one attempt', async () => {
    for (const defect of [new TypeError('canary'), new Error('Dynamic require of "assert" is not supported')]) {
      const { error, requests } = await asking(throwing(defect))
      expect([error, requests]).toEqual([defect, 1])
    }
  })

  it('finds the reason in errors that gather others', async () => {
    const gathered = failed(Object.assign(new AggregateError([Object.assign(new Error(''), { code: 'ECONNREFUSED' })])))
    expect((await asking(throwing(gathered))).error).toMatchObject({ facts: { reason: 'ECONNREFUSED' } })
  })

  it('a kept connection that has died is tried once more without a pause, then with', async () => {
    await asking(throwing(failed({ code: 'UND_ERR_SOCKET' })))
    expect(waits).toHaveLength(1)
    await asking(throwing(failed({ code: 'ECONNREFUSED' })))
    expect(waits).toHaveLength(2)
  })

  it('a lost connection without TLS speaks of no client certificate', async () => {
    const { error } = await asking(throwing(failed({ code: 'ECONNRESET' })), 'http://127.0.0.1:8200')
    expect(error.remedy).not.toMatch(/certificate/)
  })
})

describe('what is no trouble of the network', () => {
  it.each([
    ['a bundle that is broken', new Error('Dynamic require of "node:assert" is not supported')],
    ['a mistake of ours', new TypeError("Cannot read properties of undefined (reading 'x')")],
    ['a wrong argument', Object.assign(new TypeError('x'), { code: 'ERR_INVALID_ARG_TYPE' })],
    ['a wrong option of undici', failed({ code: 'UND_ERR_INVALID_ARG' })],
  ])('%s is a defect, and stays what it is', async (_name, thrown) => {
    let requests = 0
    const fetch: Fetch = () => ((requests += 1), Promise.reject(thrown))
    const transport = vaultTransport({ fetch, clock, address: ADDRESS, namespace: '', timeoutMs: 1000 })
    const { signal } = new AbortController()
    await expect(transport.get({ segments: ['x'], token: null, signal })).rejects.toBe(thrown)
    expect(requests).toBe(1)
    await expect(askOutside({ fetch, clock }, { url: ADDRESS }, signal)).rejects.toBe(thrown)
  })
})

describe('on workerd', () => {
  it('the runtime keeps the reason, so the remedy names all of them', async () => {
    const { error } = await asking(throwing(new Error('internal error; reference = canary')))
    expect(error).toMatchObject({ code: 'ERR_VAULT_UNREACHABLE', facts: { step: 'unknown', reason: 'unknown' } })
    expect(error.remedy).toMatch(
      /KEYRING_VAULT_HOST.*public authorities.*KEYRING_VAULT_VPC.*possibly.*KEYRING_VAULT_MTLS/,
    )
    expect(JSON.stringify(error) + error.message).not.toContain('canary')
  })

  it('without TLS it is no certificate', async () => {
    const { error } = await asking(throwing(new Error('internal error; reference = x')), 'http://127.0.0.1:8200')
    expect(error.remedy).toBe('Check host name and port in KEYRING_VAULT_HOST.')
  })

  it('a lost connection is also what refused and client certificate look like', async () => {
    const { error } = await asking(throwing(Object.assign(new Error('Network connection lost.'), { retryable: true })))
    expect(error).toMatchObject({ code: 'ERR_VAULT_UNREACHABLE', facts: { step: 'connect' } })
    expect(error.remedy).toMatch(/KEYRING_VAULT_HOST.*possibly.*KEYRING_VAULT_MTLS/)
  })
})

describe("of Cloudflare's proxy", () => {
  it.each([
    [520, 'ERR_VAULT_UNREACHABLE', 'connect', /KEYRING_VAULT_MTLS cannot reach a host that Cloudflare itself proxies/],
    [521, 'ERR_VAULT_UNREACHABLE', 'connect', /KEYRING_VAULT_HOST/],
    [522, 'ERR_VAULT_UNREACHABLE', 'connect', /KEYRING_VAULT_HOST/],
    [523, 'ERR_VAULT_UNREACHABLE', 'connect', /KEYRING_VAULT_HOST/],
    [524, 'ERR_VAULT_TIMEOUT', 'read', /KEYRING_VAULT_TIMEOUT_MS/],
    [525, 'ERR_VAULT_TLS_FAILED', 'tls', /KEYRING_VAULT_HOST.*KEYRING_VAULT_MTLS/],
    [526, 'ERR_VAULT_TLS_UNTRUSTED', 'tls', /KEYRING_VAULT_HOST.*KEYRING_VAULT_VPC.*KEYRING_VAULT_HEADERS/],
    [530, 'ERR_VAULT_UNREACHABLE', 'dns', /cloudflared/],
  ])('%i', async (status, code, step, remedy) => {
    const { error } = await asking(answering(status, `error code: ${status}`))
    expect(error).toMatchObject({ code, facts: { step, vaultStatus: status } })
    expect(error.remedy).toMatch(remedy)
  })

  it('but not when Vault itself has answered with such a status', async () => {
    const { error } = await asking(answering(520, '{"errors":["odd"]}'))
    expect(error.code).toBe('ERR_VAULT_UNAVAILABLE')
  })
})

describe('of Vault itself', () => {
  it.each([
    [400, 'Client sent an HTTP request to an HTTPS server.\n', 'ERR_VAULT_PLAINTEXT_TO_TLS'],
    [503, '{"errors":["Vault is sealed"]}', 'ERR_VAULT_SEALED'],
    [503, '{"errors":["namespace is sealed"]}', 'ERR_VAULT_SEALED'],
    [501, '{"initialized":false,"sealed":true}', 'ERR_VAULT_NOT_INITIALIZED'],
    [500, '{"errors":["local node not active but active cluster node not found"]}', 'ERR_VAULT_STANDBY'],
    [503, '{"errors":["node is not active"]}', 'ERR_VAULT_STANDBY'],
    [503, '{"errors":["no active Vault instance found"]}', 'ERR_VAULT_STANDBY'],
    [302, '', 'ERR_VAULT_REDIRECTED'],
    [403, '<html>Access denied</html>', 'ERR_VAULT_ANSWER_INVALID'],
    // Of gateways: Kong's own for a route that it has not, and those of others.
    [404, '{"message":"no Route matched with those values","request_id":"1"}', 'ERR_VAULT_ANSWER_INVALID'],
    [404, '{}', 'ERR_VAULT_ANSWER_INVALID'],
    [403, '{"message":"Forbidden"}', 'ERR_VAULT_ANSWER_INVALID'],
  ])('%i %s', async (status, body, code) => {
    const { error } = await asking(answering(status, body))
    expect(error.code).toBe(code)
    expect(error.remedy).toMatch(/KEYRING_VAULT_HOST|Unseal/)
  })
})

describe('headers of the operator', () => {
  const headers = { 'CF-Access-Client-Id': new Secret('some.access') }
  const seen = async (url: string) => {
    const requests: Request[] = []
    const fetch = withHeaders(async (request) => (requests.push(request), new Response()), ADDRESS, headers)
    await fetch(new Request(url, { headers: { 'X-Vault-Token': 't' } }))
    return Object.fromEntries(requests[0]?.headers ?? [])
  }

  it('go to Vault beside its own', async () => {
    expect(await seen(`${ADDRESS}/v1/x`)).toEqual({ 'cf-access-client-id': 'some.access', 'x-vault-token': 't' })
  })

  it.each(['https://vault.example/v1/x', 'http://vault.example:8200/v1/x', 'https://vault.example.evil:8200/'])(
    'do not go to %s',
    async (url) => {
      expect(await seen(url)).toEqual({ 'x-vault-token': 't' })
    },
  )
})
