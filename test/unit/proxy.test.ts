/** Which proxy of the environment stands before an address: the rules of Vault's own client. */
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { proxyFor, refusedByProxy } from '../../functions/node-shared/proxy.ts'
import { isUntouched } from '../../src/vault/wire/outages.ts'
import { fromThrown } from '../../src/vault/wire/unreached.ts'

type Env = Readonly<Record<string, string>>
const [TLS, PLAIN] = ['http://tls.proxy:3128', 'http://plain.proxy:3128']
const BOTH = { HTTPS_PROXY: TLS, HTTP_PROXY: PLAIN }
const found = (address: string, env: Env) => proxyFor(new URL(address), env)?.origin ?? null

describe('the proxy', () => {
  it.each<[string, string, Env, string | null]>([
    ['of https', 'https://vault.example', BOTH, TLS],
    ['of http', 'http://vault.example', BOTH, PLAIN],
    ['is none where its own variable is not set', 'https://vault.example', { HTTP_PROXY: PLAIN }, null],
    ['in small letters', 'https://vault.example', { https_proxy: TLS }, TLS],
    ['in capitals counts before small letters', 'https://vault.example', { https_proxy: PLAIN, HTTPS_PROXY: TLS }, TLS],
    ['that is empty is none', 'https://vault.example', { HTTPS_PROXY: '' }, null],
    ['without a scheme is spoken to by http', 'https://vault.example', { HTTPS_PROXY: 'tls.proxy:3128' }, TLS],
    [
      'may have an IPv6 address',
      'https://vault.example',
      { HTTPS_PROXY: 'http://[fd00::1]:3128' },
      'http://[fd00::1]:3128',
    ],
  ])('%s', (_name, address, env, expected) => expect(found(address, env)).toBe(expected))

  it.each([
    'http://localhost:8200',
    'https://127.0.0.1:8200',
    'https://[::1]:8200',
    'http://169.254.169.254',
    'http://169.254.170.2',
    'http://[fd00:ec2::254]',
    'http://[fe80::1]',
    'http://metadata.google.internal',
  ])('is never for this machine or its link: %s', (address) => expect(found(address, BOTH)).toBeNull())

  it('has user and password, which are not shown', () => {
    const env = { HTTPS_PROXY: 'http://edge:s3cret%40@tls.proxy:3128' }
    const proxy = proxyFor(new URL('https://vault.example'), env)
    expect(proxy?.authorization?.reveal()).toBe(`Basic ${Buffer.from('edge:s3cret@').toString('base64')}`)
    expect(inspect(proxy, { depth: 9 }) + JSON.stringify(proxy)).not.toMatch(/s3cret|edge|ZWRnZ/)
  })

  it('may have a password alone', () => {
    const proxy = proxyFor(new URL('https://vault.example'), { HTTPS_PROXY: 'http://:s3cret@tls.proxy:3128' })
    expect(proxy?.authorization?.reveal()).toBe(`Basic ${Buffer.from(':s3cret').toString('base64')}`)
  })

  it.each([
    'socks5://tls.proxy',
    'http://',
    'http://a b',
    '%',
    'ftp://tls.proxy',
    'http://%zz@tls.proxy',
    'http://u:12/3@tls.proxy',
    'http://u:12#3@h',
    'http://h:1?x',
    'http://u:pw@h:1/path',
  ])('that is none is told by the name of its variable alone: %s', (text) =>
    expect(() => found('https://vault.example', { https_proxy: text })).toThrow(
      'https_proxy is not the address of an HTTP proxy.',
    ),
  )
})

describe('NO_PROXY', () => {
  it.each<[string, string, readonly string[]]>([
    [
      'a host and those below it',
      'vault.example',
      ['https://vault.example', 'https://a.VAULT.example:8200', 'https://vault.example.'],
    ],
    ['those below a host', '.example', ['https://vault.example']],
    ['the same with a star', '*.example', ['https://vault.example']],
    ['a host with its port', 'vault.example:8200', ['https://vault.example:8200']],
    ['a host with the usual port', 'vault.example:443', ['https://vault.example']],
    ['everything', 'none.example,*', ['https://vault.example', 'http://10.1.2.3']],
    ['an address', '10.1.2.3', ['https://10.1.2.3:8200']],
    ['a network', '10.0.0.0/8', ['https://10.1.2.3:8200']],
    ['an IPv6 address', 'fd00::1', ['https://[fd00::1]:8200']],
    ['the same, written otherwise', '[fd00:0::1]:8200', ['https://[fd00::1]:8200']],
    ['an IPv6 network', 'fd00::/8', ['https://[fd12::1]']],
    ['one of several, whatever stands between', ' none.example ,\tvault.example', ['https://vault.example']],
  ])('has %s', (_name, entries, addresses) => {
    for (const address of addresses) expect(found(address, { ...BOTH, NO_PROXY: entries })).toBeNull()
    for (const address of addresses) expect(found(address, { ...BOTH, no_proxy: entries })).toBeNull()
  })

  it.each<[string, string, string]>([
    ['another host', 'vault.example', 'https://myvault.example'],
    ['the host itself', '.vault.example', 'https://vault.example'],
    ['another port', 'vault.example:8200', 'https://vault.example'],
    ['an address outside of the network', '10.0.0.0/8', 'https://11.1.2.3'],
    ['a name, by a network', '0.0.0.0/0', 'https://vault.example'],
    ['what a network that is none would have', '10.0.0.0/99', 'https://10.1.2.3'],
    ['what an empty entry would have', ' , ,', 'https://vault.example'],
  ])('has not %s', (_name, entries, address) => expect(found(address, { ...BOTH, NO_PROXY: entries })).toBe(TLS))
})

it('a proxy that does not connect shows that Vault has done nothing: a wrapping token is still whole', () => {
  const refused = refusedByProxy({ setting: 'HTTPS_PROXY', origin: TLS, authorization: null }, 503)
  const error = fromThrown({ host: 'vault.example', path: '/', isTls: true }, refused)?.error
  expect(error && isUntouched(error)).toBe(true)
})
