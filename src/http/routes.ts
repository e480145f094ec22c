/**
 * Every route, with the one action that it needs. The paths `/keyring…` are Kong's, and mean the keyring `default`. A handler that is
 * named stands in `rare-routes.ts`.
 */
import type { Awaitable } from '../core/awaitable.ts'
import { andThen } from '../core/awaitable.ts'
import { settle } from '../core/errors.ts'
import { noActiveKey } from '../keyring/no-active-key.ts'
import type { Call, KeyringRoute, VaultRoute } from './call.ts'
import type { Reply } from './reply.ts'
import { decrypt, encrypt, rewrap } from './use.ts'

export const ROUTES: readonly KeyringRoute[] = [
  { method: 'GET', path: '/healthz', action: 'open', handle: () => ({ body: { status: 'alive' } }) },
  { method: 'GET', path: '/readyz', action: 'open', handle: ready },
  { method: 'GET', path: '/keyring', action: 'read', handle: list },
  { method: 'GET', path: '/keyring/', action: 'read', handle: list },
  { method: 'GET', path: '/keyring/active', action: 'read', handle: active },
  { method: 'POST', path: '/keyring/vault/sync', action: 'sync', handle: 'sync' },
  { method: 'POST', path: '/keyring/rotate', action: 'rotate', handle: 'rotate' },
  { method: 'POST', path: '/keyring/push', action: 'push', handle: 'push' },
  { method: 'POST', path: '/keyring/remove', action: 'remove', handle: 'remove' },
  { method: 'POST', path: '/keyring/compromise', action: 'remove', handle: 'compromise' },
  {
    method: 'GET',
    path: '/keyrings/:name',
    action: 'read',
    handle: 'status',
  },
  { method: 'GET', path: '/keyrings/:name/doctor', action: 'diagnose', handle: 'doctor' },
  { method: 'POST', path: '/keyrings/:name/doctor', action: 'diagnose', handle: 'doctorWithLogin' },
  { method: 'POST', path: '/keyrings/:name/sync', action: 'sync', handle: 'sync' },
  { method: 'POST', path: '/keyrings/:name/rotate', action: 'rotate', handle: 'rotate' },
  { method: 'POST', path: '/keyrings/:name/push', action: 'push', handle: 'push' },
  { method: 'POST', path: '/keyrings/:name/reseal', action: 'admin', handle: 'reseal' },
  { method: 'POST', path: '/keyrings/:name/remove', action: 'remove', handle: 'remove' },
  { method: 'POST', path: '/keyrings/:name/compromise', action: 'remove', handle: 'compromise' },
  { method: 'POST', path: '/keyrings/:name/encrypt', action: 'encrypt', handle: encrypt },
  { method: 'POST', path: '/keyrings/:name/decrypt', action: 'decrypt', handle: decrypt },
  { method: 'POST', path: '/keyrings/:name/rewrap', action: 'rewrap', handle: rewrap },
  { method: 'GET', path: '/keyring/export', action: 'export', handle: 'export' },
  { method: 'POST', path: '/keyring/import', action: 'admin', handle: 'import' },
  { method: 'GET', path: '/keyrings/:name/export', action: 'export', handle: 'export' },
  { method: 'POST', path: '/keyrings/:name/import', action: 'admin', handle: 'import' },
]

export const VAULT_ROUTES: readonly VaultRoute[] = [
  { method: 'POST', path: '/secrets/resolve', action: 'resolve', answer: 'resolve' },
  { method: 'POST', path: '/secrets/push', action: 'push', answer: 'push' },
  { method: 'GET', path: '/secrets', action: 'admin', answer: 'list' },
  { method: 'GET', path: '/vaults', action: 'read', answer: 'vaults' },
  { method: 'GET', path: '/vaults/:name', action: 'read', answer: 'vault' },
]

/** Ready means that the active key can be used, whether Vault is up or down. Why it cannot is for those with a grant. */
async function ready({ keyring }: Call): Promise<Reply> {
  const usable = await settle(() => keyring.isUsable())
  return usable.ok && usable.value ? { body: { status: 'ready' } } : { status: 503, body: { status: 'not ready' } }
}

function list({ keyring }: Call): Awaitable<Reply> {
  return andThen(keyring.record(), (record) => {
    const ids = record?.keys.map(({ id }) => id) ?? []
    return { body: record?.active ? { ids, active: record.active } : { ids } }
  })
}

async function active({ keyring }: Call): Promise<Reply> {
  const record = await keyring.record()
  const id = record?.active
  if (!id) throw noActiveKey(keyring.name, record !== null)
  return { body: { id } }
}
