/** `edge-keyring/references/node`: references out of the SQLite file of a server beside the application, which is asked for the rest. */
import type { Bytes } from '../../src/core/bytes.ts'
import type { StoredItem } from '../../src/core/secrets.ts'
import { serviceOf } from '../../src/library/http-service.ts'
import type { StoredReferencesOptions } from '../../src/library/open-stored.ts'
import { storedReferences } from '../../src/library/open-stored.ts'
import type { References } from '../../src/library/references.ts'
import type { Given } from '../../src/library/settings.ts'
import { SettingsReading, keysConfig } from '../../src/library/settings.ts'
import { itemsOfStore } from '../../src/library/stored-values.ts'
import { SELECT_ITEM } from '../../src/secrets/sql-items.ts'
import { nodeCipher, nodeHash } from '../node-shared/cipher.ts'
import type { SqliteReader } from './sqlite-reader.ts'
import { sqliteReader } from './sqlite-reader.ts'

export * from '../../src/library/resolving.ts'
export type { StoredReferencesOptions } from '../../src/library/open-stored.ts'

/** @param env settings by name. @throws `ERR_CONFIG_INVALID`, `ERR_STORE_UNAVAILABLE`. */
export async function openReferences(
  env: Given = process.env,
  options: StoredReferencesOptions = {},
): Promise<References> {
  const reading = new SettingsReading(env)
  const config = keysConfig(reading)
  reading.needs('KEYRING_WRAPPING_KEYS', 'those of the server, or what was derived from them for a vault')
  if (options.store === undefined) reading.needs('KEYRING_DATABASE', 'the file of the server')
  reading.end()
  const parts = { config, service: serviceOf(env, options.service), cipher: nodeCipher, hash: nodeHash }
  if (options.store !== undefined) return storedReferences({ ...parts, items: itemsOfStore(options.store) })
  const reader = await sqliteReader(String(env['KEYRING_DATABASE']))
  const items = itemsOfStore({ get: (vault, name) => itemIn(reader, vault, name) })
  return storedReferences({ ...parts, items, close: () => reader.close() })
}

/** Whoever writes makes the table at its first use. */
async function itemIn(reader: SqliteReader, vault: string, name: string): Promise<StoredItem | null> {
  if ((await reader.row("SELECT 1 FROM sqlite_master WHERE name = 'secret'")) === undefined) return null
  const row = await reader.row(SELECT_ITEM, vault, name, Date.now())
  return row === undefined ? null : { version: Number(row['version']), bytes: row['bytes'] as Bytes }
}
