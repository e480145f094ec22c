/** The same Vault, asked by the Worker on workerd: what the runtime tells of a fault, and a binding that presents a certificate. */
import { createHash } from 'node:crypto'
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

const openbao = inject('openbao') ?? null
const TOKEN = 'ek_of_no_importance'
const BINDING = 'KEYRING_VAULT_MTLS'

describe.skipIf(openbao === null)('Vault over TLS from workerd', () => {
  let vault: TlsVault
  let workers: RawWorkerd<string>

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
  }, 60_000)
  afterAll(async () => {
    await workers.close()
    await vault.close()
  })

  const at = (address: string): Instance => ({
    settings: {
      KEYRING_VAULT_HOST: address,
      KEYRING_VAULT_MOUNT: 'secret',
      KEYRING_VAULT_PATH: 'keyring',
      KEYRING_VAULT_TOKEN: vault.token,
      KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
      KEYRING_API_TOKENS: JSON.stringify([
        { name: 'admin', sha256: createHash('sha256').update(TOKEN).digest('hex'), grants: ['admin'] },
      ]),
    },
  })
  const presenting = (listener: Listener, pair: Pair): Instance => ({
    ...at(vault.address[listener]),
    presents: { binding: BINDING, port: vault.port[listener], pair },
  })

  async function sync(name: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const headers = { authorization: `Bearer ${TOKEN}` }
    const response = await fetch(`${workers.url[name]}/keyring/vault/sync`, { method: 'POST', headers })
    const text = await response.text()
    return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
  }

  it.each([
    'good',
    'presented',
    'selfSigned',
    'wrongHost',
    'incomplete',
    'expired',
    'mutual',
    'rogue',
    'plaintext',
    'toPlaintext',
    'closed',
    'nowhere',
  ])('syncs %s', async (name) => {
    const x = await sync(name)
    console.log(name, x.status, x.body.code, x.body.step, x.body.reason, x.body.detail)
  })
})
