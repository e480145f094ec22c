/** The settings of a deployment that is pushed: Vault is not asked, and still says whose keys they are. */
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import type { Env } from '../../src/config/setting.ts'

const PUSHED: Env = {
  KEYRING_STRATEGY: 'push',
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
  KEYRING_API_TOKEN: 'of-no-importance',
  KEYRING_DATABASE: 'unused.sqlite',
}
const ID = { kind: 'kv2', address: 'push://inside', namespace: '', mount: 'secret', path: 'keyring' }

function parsed(more: Env = {}) {
  const read = parseConfig({ ...PUSHED, ...more }, 'node')
  if (!read.ok || read.config === null) throw new Error(JSON.stringify(read))
  return { ...read.config, notices: read.notices }
}

describe('the strategy push', () => {
  it('needs neither an address nor a login', () => {
    expect(parsed()).toMatchObject({ vault: null, pushed: [{ keyring: 'default', ...ID }], notices: [] })
    expect(
      parsed({ KEYRING_STRATEGY: 'vault', KEYRING_VAULT_HOST: 'https://v', KEYRING_VAULT_TOKEN: 't' }),
    ).toMatchObject({
      pushed: null,
      vault: { address: 'https://v' },
    })
  })

  it('has an identity for each keyring, by the settings of this deployment', () => {
    const more = {
      KEYRING_VAULT_HOST: 'https://vault.example:8200/',
      KEYRING_VAULT_NAMESPACE: 'team',
      KEYRINGS: '[{"name":"orders","path":"orders","mount":"old","kv":"v1"}]',
    }
    const at = { address: 'https://vault.example:8200', namespace: 'team' }
    expect(parsed(more).pushed).toEqual([
      { keyring: 'default', ...ID, ...at },
      { keyring: 'orders', ...ID, ...at, kind: 'kv1', mount: 'old', path: 'orders' },
    ])
  })

  it("has no part of its identity from what Vault's own clients read", () => {
    const theirs = { VAULT_ADDR: 'https://elsewhere', BAO_ADDR: 'https://elsewhere', VAULT_NAMESPACE: 'other' }
    expect(parsed(theirs).pushed).toEqual([{ keyring: 'default', ...ID }])
    expect(parsed({ ...theirs, KONG_KEYRING_VAULT_HOST: 'https://v' }).pushed).toMatchObject([{ address: 'https://v' }])
    expect(parsed({ VAULT_CACERT: '/nowhere/ca.pem', VAULT_CLIENT_TIMEOUT: 'never' }).notices).toEqual([])
  })

  it('needs mount and path all the same', () => {
    const { KEYRING_VAULT_MOUNT: _mount, KEYRING_VAULT_PATH: _path, ...rest } = PUSHED
    expect(parseConfig(rest, 'node')).toMatchObject({
      ok: false,
      problems: [{ name: 'KEYRING_VAULT_MOUNT' }, { name: 'KEYRING_VAULT_PATH' }],
    })
  })

  it('tells of a credential that has no business here, by its name', () => {
    const { notices } = parsed({
      KEYRING_VAULT_TOKEN: 'canary',
      KEYRING_ROTATION_VAULT_TOKEN: 'canary',
      VAULT_TOKEN: 'x',
    })
    expect(notices).toEqual([
      'KEYRING_VAULT_TOKEN is not used here: the strategy is push.',
      'KEYRING_ROTATION_VAULT_TOKEN is not used here: the strategy is push.',
    ])
  })
})
