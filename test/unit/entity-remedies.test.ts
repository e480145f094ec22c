/** What errors of a vault behind references tell to do names its own settings, wherever it is read. */
import { describe, expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { readEntities } from '../../src/config/entities.ts'
import { unwrap } from '../../src/core/errors.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import { openKeepers, openVaults } from '../../src/vaults.ts'
import { REMEDIES } from '../../src/core/errors.ts'
import { SERVICE_REMEDIES } from '../../src/core/service-remedies.ts'
import { VAULT_REMEDIES } from '../../src/core/vault-remedies.ts'
import { speltFor } from '../../src/vaults-words.ts'
import { TYPES } from '../../src/config/entity-types.ts'
import { LOGIN_OPTIONS } from '../../src/config/login-methods.ts'
import { wrappingKey } from '../support/authority.ts'
import { NOW } from '../support/observed.ts'
import { vaultsPorts } from '../support/vaults.ts'

it.each([
  ['hcv', { KONG_VAULT_HCV_TOKEN: 'hvs.x' }, /host and port in KONG_VAULT_HCV_HOST/],
  [
    'mine',
    { KEYRING_VAULTS: '[{"name":"hcv","prefix":"mine","config":{"token":"hvs.x"}}]' },
    /host and port in vaults\.mine\.config\.host/,
  ],
])('the vault "%s"', async (vault, env, remedy) => {
  const clock = { now: () => NOW, sleep: async () => {} }
  const config = { wrappingKeys: [wrappingKey('w1', 1)] }
  const { entities, broken } = readEntities(env, 'node')
  const ports = { cipher: nodeCipher, hash: nodeHash, clock }
  const refused = () => Promise.reject(Object.assign(new TypeError('failed'), { cause: { code: 'ECONNREFUSED' } }))
  const answers = { fetchOf: () => refused, openOther: () => expect.unreachable('There is no other.') }
  const keepers = openKeepers(entities, config, vaultsPorts(clock, answers))
  const authority = distantAuthority(async (message) => ('vault' in message ? keepers.call(message) : null))
  const { secrets, overview } = openVaults(entities, config, { ...ports, authority, broken, freshMs: 0 })
  const resolved = await secrets?.resolve([`{vault://${vault}/password/a}`])
  expect(resolved).toMatchObject([{ error: { code: 'ERR_VAULT_UNREACHABLE', remedy: expect.stringMatching(remedy) } }])
  expect((await overview?.status())?.needed).toEqual([expect.stringMatching(remedy)])
  const { findings } = unwrap(await keepers.call({ call: 'examine', vault, login: false }))
  expect(findings).toContainEqual(expect.objectContaining({ outcome: 'failed', remedy: expect.stringMatching(remedy) }))
})

describe('a remedy', () => {
  const spelt = speltFor('KONG_VAULT_HCV_*')

  it.each([
    [
      'Set KEYRING_VAULT_KV=v2 ("kv" in KEYRINGS), or name another mount.',
      'Set KONG_VAULT_HCV_KV=v2, or name another mount.',
    ],
    [
      'Check KEYRING_VAULT_MOUNT and KEYRING_VAULT_PATH ("mount" and "path" in KEYRINGS).',
      'Check KONG_VAULT_HCV_MOUNT and the path in the reference.',
    ],
    ['Use https:// in KEYRING_VAULT_HOST.', 'Use https in KONG_VAULT_HCV_PROTOCOL.'],
    ['Name its authority in KEYRING_VAULT_CACERT.', 'Name its authority in KEYRING_VAULT_CACERT.'],
    ['Check KEYRING_VAULT_APPROLE_AUTH_PATH.', 'Check KONG_VAULT_HCV_APPROLE_AUTH_PATH.'],
  ])('%s', (written, own) => {
    expect(spelt(written)).toBe(own)
  })

  it.each(
    Object.entries({ ...REMEDIES, ...SERVICE_REMEDIES, ...VAULT_REMEDIES }).filter(([, text]) =>
      text.includes('KEYRING_VAULT_'),
    ),
  )('of %s names no setting that is of keyrings alone, and only fields that there are', (_code, text) => {
    const own = spelt(text)
    expect(own).not.toMatch(/in KEYRINGS|KEYRING_VAULT_(?:HOST|TOKEN|PATH|MOUNT|KV|NAMESPACE|HEADERS)|good keyring/)
    const known = new Set([...Object.keys(TYPES.hcv.fields), ...Object.keys(LOGIN_OPTIONS)])
    for (const [, field = ''] of own.matchAll(/KONG_VAULT_HCV_([A-Z_\d]+)/g))
      if (!field.endsWith('_')) expect(known).toContain(field.toLowerCase())
  })
})
