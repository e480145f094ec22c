/** KV version 2 of the dev Vault: `data`, `metadata`, `delete`, `undelete`, `destroy` and `config` of one mount. */
import type { VaultAnswer, VaultRequest } from './answer.ts'
import { DONE, NOTHING, found, refused } from './answer.ts'
import { listing } from './listing.ts'
import type { Mark, Mount, StoredSecret } from './secrets.ts'
import { append, isReadable, mark, metadataView, secretAt, versionView } from './secrets.ts'
import { seconds } from './time.ts'

type Endpoint = (mount: Mount, path: string, request: VaultRequest) => VaultAnswer

const NOT_VERSIONED: VaultAnswer = {
  status: 404,
  data: null,
  warnings: [
    'Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use.',
  ],
}

const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map([
  ['data', data],
  ['metadata', metadata],
  ['config', config],
  ...(['delete', 'undelete', 'destroy'] as const).map((how): [string, Endpoint] => [how, marks(how)]),
])

export function answerKv2(mount: Mount, rest: string, request: VaultRequest): VaultAnswer {
  const [, name = '', path = ''] = /^([^/]*)\/?(.*)$/s.exec(rest) ?? []
  return ENDPOINTS.get(name)?.(mount, path, request) ?? NOT_VERSIONED
}

function data(mount: Mount, path: string, { method, query, body }: VaultRequest): VaultAnswer {
  const secret = mount.secrets.get(path)
  if (method === 'GET') return secret === undefined ? NOTHING : readVersion(secret, query.get('version') ?? '0')
  if (method !== 'DELETE') return write(mount, path, body)
  if (secret !== undefined) mark(secret, 'delete', secret.current)
  return DONE
}

function readVersion(secret: StoredSecret, asked: string): VaultAnswer {
  if (!/^\d+$/.test(asked)) return refused('Field validation failed: error converting input for field "version"')
  const number = Number(asked) || secret.current
  const version = secret.versions[number]
  if (version === undefined) return NOTHING
  const readable = isReadable(version)
  const data = { data: readable ? version.data : null, metadata: versionView(number, version) }
  return { status: readable ? 200 : 404, data }
}

function write(mount: Mount, path: string, { data: content, options }: VaultRequest['body']): VaultAnswer {
  if (content === undefined) return refused('no data provided')
  if (typeof content !== 'object' || Array.isArray(content)) return refused('error converting input for field "data"')
  const mismatch = checkCas(mount.secrets.get(path), (options as { cas?: unknown } | null | undefined)?.cas)
  if (mismatch !== null) return refused(mismatch)
  const { number, version } = append(mount, path, content)
  return found(versionView(number, version))
}

function checkCas(held: StoredSecret | undefined, cas: unknown): string | null {
  if (cas === undefined) return held?.casRequired ? 'check-and-set parameter required for this call' : null
  if (Number.isNaN(Number(cas))) return 'error parsing check-and-set parameter'
  return Number(cas) === (held?.current ?? 0) ? null : 'check-and-set parameter did not match the current version'
}

function metadata(mount: Mount, path: string, { method, query, body }: VaultRequest): VaultAnswer {
  if (method === 'GET' && query.get('list') === 'true') return listing(mount.secrets.keys(), path)
  const secret = mount.secrets.get(path)
  if (method === 'GET') return secret === undefined ? NOTHING : found(metadataView(secret))
  if (method === 'DELETE') mount.secrets.delete(path)
  else configure(secretAt(mount, path), body)
  return DONE
}

function configure(secret: StoredSecret, body: VaultRequest['body']): void {
  if (body['max_versions'] !== undefined) secret.maxVersions = Number(body['max_versions']) || 0
  if (body['delete_version_after'] !== undefined) secret.deleteAfterSeconds = seconds(body['delete_version_after'])
  if (body['cas_required'] !== undefined) secret.casRequired = body['cas_required'] === true
}

function config(mount: Mount, _path: string, { method, body }: VaultRequest): VaultAnswer {
  if (method === 'GET')
    return found({ cas_required: false, delete_version_after: '0s', max_versions: mount.maxVersions })
  mount.maxVersions = Number(body['max_versions'] ?? mount.maxVersions) || 0
  return DONE
}

function marks(how: Mark): Endpoint {
  return (mount, path, { body: { versions } }) => {
    if (versions === undefined) return refused('No version number provided')
    const secret = mount.secrets.get(path)
    for (const number of [versions].flat()) if (secret !== undefined) mark(secret, how, Number(number))
    return DONE
  }
}
