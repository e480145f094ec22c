/** The KV engine of the dev Vault: from a path to its mount, and what version 1 of it answers. */
import type { VaultAnswer, VaultRequest } from './answer.ts'
import { DONE, NOTHING, found, refused } from './answer.ts'
import { answerKv2 } from './kv2.ts'
import { listing } from './listing.ts'
import type { Mount, Mounts } from './secrets.ts'
import { seconds } from './time.ts'

/** A version 1 secret that names no lease has one of 32 days at Vault. */
const DEFAULT_LEASE_SECONDS = 2_764_800

/** The mount that a path leads to, and the rest of the path. */
export function mountOf(mounts: Mounts, path: string): { name: string; mount: Mount; rest: string } | null {
  for (const [name, mount] of mounts)
    if (`${path}/`.startsWith(`${name}/`)) return { name, mount, rest: path.slice(name.length + 1) }
  return null
}

export function answerKv(mounts: Mounts, request: VaultRequest): VaultAnswer {
  const target = mountOf(mounts, request.path)
  if (target === null)
    return { status: 404, errors: [`no handler for route "${request.path}". route entry not found.`] }
  const { mount, rest } = target
  return mount.version === '1' ? answerKv1(mount, rest, request) : answerKv2(mount, rest, request)
}

function answerKv1({ plain }: Mount, path: string, { method, query, body }: VaultRequest): VaultAnswer {
  if (method === 'GET') return query.get('list') === 'true' ? listing(plain.keys(), path) : readKv1(plain.get(path))
  if (method === 'DELETE') plain.delete(path)
  else if (Object.keys(body).length === 0) return refused('missing data fields')
  else plain.set(path, body)
  return DONE
}

function readKv1(data: Readonly<Record<string, unknown>> | undefined): VaultAnswer {
  if (data === undefined) return NOTHING
  return { ...found(data), leaseSeconds: seconds(data['ttl'] ?? data['lease']) || DEFAULT_LEASE_SECONDS }
}
