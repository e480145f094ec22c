/** `edge-keyring policy`: what the policy of the Vault login has to allow, for the settings at hand. */
import type { Env } from '../../src/config/setting.ts'
import { hasVaults } from '../../src/config/vaults-set.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Outcome } from './command.ts'
import { failed, wrongSettings } from './failure.ts'
import { rule } from './policy-rule.ts'

/** The settings that the policy follows from. */
const OF_POLICY = /^(?:KONG_)?KEYRING(?:S$|_VAULT_(?:MOUNT|PATH|KV)$)/
/** The others say nothing about it, and may be elsewhere. */
const OTHERS: Env = {
  KEYRING_VAULT_HOST: 'https://vault.invalid',
  KEYRING_VAULT_TOKEN: 'none',
  KEYRING_WRAPPING_KEYS: `w1:${'A'.repeat(43)}=`,
  KEYRING_TABLE: 'none',
}

/** @param prefix of a vault behind references: its policy, and not that of the keyrings. */
export async function policy(env: Env, rotates: boolean, prefix?: string): Promise<Outcome> {
  if (hasVaults(env)) {
    const { policyOfVault, vaultsWithLogins } = await import('./policy-references.ts')
    if (prefix !== undefined) return policyOfVault(env, prefix)
    const others = vaultsWithLogins(env).map((each) => `policy --references ${each}`)
    if (others.length > 0) console.error(`note: not in it is what references need: ${others.join(', ')}`)
  } else if (prefix !== undefined) throw failed('ERR_USAGE', 'The settings have no vault of that prefix.')
  const given = Object.entries(env).filter(([name]) => OF_POLICY.test(name))
  const read = parseConfig({ ...OTHERS, ...Object.fromEntries(given) }, 'lambda-sync')
  if (!read.ok) throw wrongSettings(read.problems)
  const rules = (read.config?.vault?.secrets ?? []).flatMap(({ kv, mount, path }) =>
    kv === 'v1'
      ? [
          [`${mount}/${path}`, 'list'],
          [`${mount}/${path}/*`, 'read'],
        ]
      : kv2(mount, path, rotates),
  )
  const text = [...new Set(rules.map(([at, ...capabilities]) => rule(at ?? '', capabilities)))].join('')
  return { document: { policy: text }, screen: text }
}

function kv2(mount: string, path: string, rotates: boolean): string[][] {
  const reads = [[`${mount}/metadata/${path}`, 'read']]
  return rotates
    ? [...reads, [`${mount}/data/${path}`, 'read', 'update'], [`${mount}/config`, 'read']]
    : [...reads, [`${mount}/data/${path}`, 'read']]
}
