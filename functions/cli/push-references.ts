/**
 * The second half of `edge-keyring push`: what KEYRING_REFERENCES lists is read where the vaults are reached, and handed over. It is read
 * as a deployment would read it, by a keeper whose store is this process; the time of that goes along, and the deployment decides by it.
 */
import { nodeCipher, nodeHash } from '../node-shared/cipher.ts'
import { readTextFile } from '../node-shared/text-file.ts'
import { openNodeVaults } from '../node/vaults.ts'
import type { EntitySettings } from '../../src/config/entities.ts'
import type { VaultsConfig } from '../../src/config/with-vaults.ts'
import { utf8 } from '../../src/core/bytes.ts'
import { systemClock } from '../../src/core/clock.ts'
import { unwrap } from '../../src/core/errors.ts'
import { MAX_REQUEST_BODY_BYTES } from '../../src/core/limits.ts'
import type { Handed, HandedSecret } from '../../src/core/vault-operations.ts'
import type { VaultAuthority } from '../../src/core/secrets.ts'
import { itemSealer, secretsOf } from '../../src/crypto/seal-item.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { rare } from '../../src/rare.ts'
import { memoryItems } from '../../src/secrets/memory-items.ts'
import { itemName, openState } from '../../src/secrets/state.ts'
import type { KeyringClient } from './client.ts'

interface ReadSecrets {
  readonly secrets: readonly HandedSecret[]
  /** Why others could not be read, each by its place in the list. */
  readonly failures: readonly string[]
}

export interface PushedReferences extends Handed {
  readonly failures: readonly string[]
}

export async function pushReferences(
  deployment: Pick<KeyringClient, 'hand'>,
  config: VaultsConfig,
): Promise<PushedReferences> {
  const ports = { cipher: nodeCipher, hash: nodeHash, clock: systemClock, readFile: readTextFile }
  const here = { store: memoryStore(), items: memoryItems(() => systemClock.now()), loadRare: () => rare }
  const { keepers, close } = openNodeVaults(config, { ...ports, ...here, log: (line) => console.error(line) })
  try {
    let all: PushedReferences = { taken: 0, older: 0, failures: [] }
    for (const entity of config.vaults ?? []) {
      const { secrets, failures } = await readListed(keepers, entity, config)
      const handed = await handAll(deployment, entity, secrets)
      all = {
        taken: all.taken + handed.taken,
        older: all.older + handed.older,
        failures: [...all.failures, ...failures],
      }
    }
    return all
  } finally {
    await close()
  }
}

async function readListed(
  keepers: VaultAuthority,
  { prefix, identity, listed }: EntitySettings,
  { wrappingKeys }: VaultsConfig,
): Promise<ReadSecrets> {
  const alike = [...Map.groupBy(listed, ({ resource, version }) => JSON.stringify([resource, version])).values()]
  const names = alike.flatMap(([first]) => (first ? [{ resource: first.resource, version: first.version }] : []))
  if (names.length === 0) return { secrets: [], failures: [] }
  const sealed = unwrap(await keepers.call({ call: 'resolve', vault: prefix, secrets: names, refresh: false }))
  const sealer = await itemSealer(nodeCipher, nodeHash, wrappingKeys, secretsOf(prefix))
  const states = await Promise.all(
    names.map(async (name, at) => openState(sealer, await itemName(sealer, identity, name), sealed[at] ?? utf8(''))),
  )
  return {
    secrets: states.flatMap(({ resource, version, found, at }) =>
      found === null
        ? []
        : [{ resource, version, found: found.kind, text: found.kind === 'secret' ? found.text : '', at }],
    ),
    failures: states.flatMap(({ failing }, at) => {
      const entries = alike[at]?.map(({ entry }) => entry).join(', ')
      return failing === null ? [] : [`entry ${entries}: ${failing.error.code}: ${failing.error.message}`]
    }),
  }
}

/** Secrets of one request. */
const BATCH = 1000
/** Bytes for vault and source. */
const AROUND_BYTES = 4096

async function handAll(
  deployment: Pick<KeyringClient, 'hand'>,
  { prefix, source }: EntitySettings,
  secrets: readonly HandedSecret[],
): Promise<Handed> {
  let [sum, rest]: [Handed, readonly HandedSecret[]] = [{ taken: 0, older: 0 }, secrets]
  while (rest.length > 0) {
    const batch = rest.slice(0, fitting(rest))
    const { taken, older } = await deployment.hand(prefix, source, batch)
    ;[sum, rest] = [{ taken: sum.taken + taken, older: sum.older + older }, rest.slice(batch.length)]
  }
  return sum
}

/** How many of them one body takes; one that is too long goes alone, to be refused. */
function fitting(secrets: readonly HandedSecret[]): number {
  let room = MAX_REQUEST_BODY_BYTES - AROUND_BYTES
  const over = secrets.slice(0, BATCH).findIndex((secret) => {
    room -= 1 + utf8(JSON.stringify(secret)).length
    return room < 0
  })
  return over === -1 ? BATCH : Math.max(1, over)
}
