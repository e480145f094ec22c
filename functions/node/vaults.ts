/** The vaults behind references on Node: what the settings say of them, the ways there, and what is no Vault. */
import type { Parsed } from '../../src/config/answering.ts'
import type { Config } from '../../src/config/config.ts'
import type { EntitySettings } from '../../src/config/entities.ts'
import { readEntities } from '../../src/config/entities.ts'
import type { Env } from '../../src/config/setting.ts'
import { environmentBackend } from '../../src/secrets/environment.ts'
import type { VaultsPorts } from '../../src/vaults.ts'
import { forCallers, openKeepers } from '../../src/vaults.ts'
import { fileBackend } from '../node-shared/secret-files.ts'
import { secretsManagerBackend } from '../node-shared/secrets-manager-vault.ts'
import { readTls } from '../node-shared/tls-files.ts'
import { vaultFetch } from '../node-shared/vault-fetch.ts'
import type { VaultFetch } from '../node-shared/way.ts'

export interface NodeConfig extends Config {
  /** Absent = there are none. */
  readonly vaults?: readonly EntitySettings[]
}

/** @param given the environment in which references still are references. What is wrong with a vault stops it alone, and is told. */
export function withVaults(parsed: Parsed<Config>, env: Env, given: Env): Parsed<NodeConfig> {
  if (!parsed.ok || parsed.config === null) return parsed
  const look = (tls: Parameters<typeof readTls>[0]) => readTls(tls, Date.now()).problems
  const { entities, broken, problems, notices } = readEntities(env, 'node', look, given)
  if (problems.length > 0) return { ok: false, problems }
  const unused = broken.flatMap((each) => each.problems.map(({ name, message }) => `not used: ${name}: ${message}`))
  return {
    ok: true,
    config: { ...parsed.config, vaults: forCallers(entities) },
    notices: [...parsed.notices, ...notices, ...unused],
  }
}

/** Closed with the authority that it belongs to. */
export function openNodeVaults(
  config: Pick<NodeConfig, 'vaults' | 'wrappingKeys'>,
  ports: Omit<VaultsPorts, 'fetchOf' | 'openOther'>,
) {
  const { vaults: entities = [] } = config
  const ways: VaultFetch[] = []
  const keepers = openKeepers(entities, config, {
    ...ports,
    fetchOf(vault) {
      const way = vaultFetch(vault)
      ways.push(way)
      return way.fetch
    },
    openOther: (settings) =>
      settings.type === 'fs'
        ? fileBackend(settings.folder)
        : settings.type === 'env'
          ? environmentBackend(process.env, settings.variableOf)
          : secretsManagerBackend(settings),
  })
  return { keepers, close: async () => void (await Promise.all(ways.map((way) => way.close()))) }
}
