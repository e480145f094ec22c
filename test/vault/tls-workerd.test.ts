/** The same Vault, asked by the Worker on workerd: what the runtime tells of a fault, and a binding that presents a certificate. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { Pair } from '../support/certificates.ts'
import { authority } from '../support/certificates.ts'
import type { Instance, RawWorkerd } from '../support/raw-workerd.ts'
import { startWorkerd } from '../support/raw-workerd.ts'
import { keyString } from '../support/syncing.ts'
import { tcpProxy } from '../support/tcp-proxy.ts'
import type { Listener, TlsVault } from '../support/tls-vault.ts'
import { startTlsVault } from '../support/tls-vault.ts'
import { vaultClient } from '../support/vault.ts'
import { settingsOf } from '../support/settings.ts'

const openbao = inject('openbao') ?? null
const TOKEN = 'ek_of_no_importance'
const BINDING = 'KEYRING_VAULT_MTLS'

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

describe.skipIf(openbao === null)('Vault over TLS from workerd', () => {
  let vault: TlsVault
  let workers: RawWorkerd<string>
  let answers: Readonly<Record<string, Answer>>

  beforeAll(async () => {
    vault = await startTlsVault(openbao?.binary ?? '')
    const secrets = await vaultClient(vault.address.plain, vault.token).mount('secret')
    await secrets.write('keyring', { id: 'a', key: keyString('a') })
    const closed = await tcpProxy(vault.port.good)
    await closed.close()
    const rogue = await (await authority('Rogue authority')).issue('edge')
    const listeners = ['good', 'selfSigned', 'wrongHost', 'incomplete', 'expired', 'mutual'] as const
    workers = await startWorkerd(
      {
        ...Object.fromEntries(listeners.map((listener) => [listener, at(vault.address[listener])])),
        plaintext: at(vault.address.good.replace('https:', 'http:')),
        toPlaintext: at(vault.address.plain.replace('http:', 'https:')),
        closed: at(`https://localhost:${closed.port}`),
        nowhere: at('https://nowhere.invalid:8200'),
        presented: presenting('mutual', await vault.root.issue('edge')),
        rogue: presenting('mutual', rogue),
      },
      vault.root.cert,
    )
    // Together, because lost connections are tried again after a pause.
    answers = Object.fromEntries(
      await Promise.all(Object.keys(workers.url).map(async (name) => [name, await sync(name)] as const)),
    )
  }, 60_000)
  afterAll(async () => {
    await workers.close()
    await vault.close()
  })

  const at = (address: string): Instance => ({
    settings: {
      ...settingsOf(address, TOKEN),
      KEYRING_VAULT_TOKEN: vault.token,
    },
  })
  const presenting = (listener: Listener, pair: Pair): Instance => ({
    ...at(vault.address[listener]),
    presents: { binding: BINDING, port: vault.port[listener], pair },
  })

  async function sync(name: string): Promise<Answer> {
    const headers = { authorization: `Bearer ${TOKEN}` }
    const response = await fetch(`${workers.url[name]}/keyring/vault/sync`, { method: 'POST', headers })
    const text = await response.text()
    return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
  }

  it('syncs where the certificate is trusted, and where the binding presents one of a client', () => {
    for (const name of ['good', 'presented']) expect(answers[name]).toEqual({ status: 204, body: {} })
  })

  it.each(['selfSigned', 'wrongHost', 'incomplete', 'expired', 'mutual', 'rogue', 'toPlaintext', 'nowhere'])(
    'says of %s that it does not know more, and all that may help',
    (name) => {
      expect(answers[name]).toMatchObject({ status: 502, body: { code: 'ERR_VAULT_UNREACHABLE', step: 'unknown' } })
      expect(answers[name]?.body['remedy']).toMatch(/KEYRING_VAULT_HOST.*KEYRING_VAULT_VPC.*KEYRING_VAULT_MTLS/)
    },
  )

  it('says of a port where nobody listens that Vault cannot be reached, or closed the connection', () => {
    const { body } = answers['closed'] ?? {}
    expect(body).toMatchObject({ code: 'ERR_VAULT_UNREACHABLE', step: 'connect' })
    expect(body?.['remedy']).toMatch(/KEYRING_VAULT_HOST.*possibly.*KEYRING_VAULT_MTLS/)
  })

  it('says of HTTP to an HTTPS port what Node says', () => {
    expect(answers['plaintext']?.body).toMatchObject({ code: 'ERR_VAULT_PLAINTEXT_TO_TLS', step: 'tls' })
  })
})
