/** Vault's KV API over the mounts, answering as OpenBao was seen to answer. */
import { append, isReadable, metadataView, newSecret, timeNow, versionView } from './secrets.ts'
import type { Mount, Mounts, Secret2 } from './secrets.ts'

export interface KvRequest {
  readonly method: string
  /** Behind /v1/. */
  readonly path: string
  readonly query: URLSearchParams
  readonly body: unknown
}

export interface KvAnswer {
  readonly status: number
  readonly data?: unknown
  readonly errors?: readonly string[]
}

const NOTHING: KvAnswer = { status: 404, errors: [] }
const DONE: KvAnswer = { status: 204 }
const refused = (text: string): KvAnswer => ({ status: 400, errors: [text] })

/** `null` = no such mount. */
export function answerKv(mounts: Mounts, request: KvRequest): KvAnswer | null {
  const name = Object.keys(mounts).find((mount) => request.path.startsWith(`${mount}/`))
  const mount = name === undefined ? undefined : mounts[name]
  if (name === undefined || mount === undefined) return null
  const rest = request.path.slice(name.length + 1)
  return mount.version === '1' ? answerV1(mount, rest, request) : answerV2(mount, rest, request)
}

function answerV1({ plain }: Mount, path: string, { method, body }: KvRequest): KvAnswer {
  if (method === 'GET') return path in plain ? { status: 200, data: plain[path] } : NOTHING
  if (method === 'DELETE') delete plain[path]
  else plain[path] = body
  return DONE
}

function answerV2(mount: Mount, rest: string, request: KvRequest): KvAnswer {
  const slash = rest.indexOf('/')
  const [endpoint, path] = [rest.slice(0, slash), rest.slice(slash + 1)]
  if (endpoint === 'data') return data(mount, path, request)
  if (endpoint === 'metadata') return metadata(mount, path, request)
  const secret = mount.secrets[path]
  if (endpoint === 'delete' || endpoint === 'undelete' || endpoint === 'destroy')
    return secret ? mark(secret, endpoint, request.body) : DONE
  return NOTHING
}

function data(mount: Mount, path: string, request: KvRequest): KvAnswer {
  const secret = mount.secrets[path]
  if (request.method === 'GET') return secret ? readData(secret, Number(request.query.get('version') ?? 0)) : NOTHING
  if (request.method === 'DELETE') return secret ? mark(secret, 'delete', { versions: [secret.current] }) : DONE
  return writeData(mount, path, request.body)
}

function readData(secret: Secret2, asked: number): KvAnswer {
  const number = asked || secret.current
  const version = secret.versions[number]
  if (version === undefined) return NOTHING
  const readable = isReadable(version)
  return {
    status: readable ? 200 : 404,
    data: { data: readable ? version.data : null, metadata: versionView(number, version) },
  }
}

function writeData(mount: Mount, path: string, body: unknown): KvAnswer {
  const { data: content, options } = (body ?? {}) as { data?: unknown; options?: { cas?: number } }
  if (typeof content !== 'object' || content === null) return refused('no data provided')
  const mismatch = checkCas(mount.secrets[path], options?.cas)
  if (mismatch !== null) return refused(mismatch)
  const secret = (mount.secrets[path] ??= newSecret())
  const version = append(secret, content)
  return { status: 200, data: versionView(secret.current, version) }
}

function checkCas(held: Secret2 | undefined, cas: number | undefined): string | null {
  if (cas === undefined) return held?.casRequired ? 'check-and-set parameter required for this call' : null
  return cas === (held?.current ?? 0) ? null : 'check-and-set parameter did not match the current version'
}

function metadata(mount: Mount, path: string, { method, body, query }: KvRequest): KvAnswer {
  const secret = mount.secrets[path]
  if (method === 'GET' && query.get('list') === 'true') return list(mount, path)
  if (method === 'GET') return secret ? { status: 200, data: metadataView(secret) } : NOTHING
  if (method === 'DELETE') delete mount.secrets[path]
  else configure((mount.secrets[path] ??= newSecret()), body)
  return DONE
}

function configure(secret: Secret2, body: unknown): void {
  const {
    max_versions: most,
    delete_version_after: after,
    cas_required: cas,
  } = (body ?? {}) as { max_versions?: number; delete_version_after?: string; cas_required?: boolean }
  secret.maxVersions = most ?? secret.maxVersions
  secret.deleteAfter = after ?? secret.deleteAfter
  secret.casRequired = cas ?? secret.casRequired
}

function list(mount: Mount, path: string): KvAnswer {
  const prefix = path === '' || path.endsWith('/') ? path : `${path}/`
  const below = Object.keys(mount.secrets).filter((name) => name.startsWith(prefix))
  const keys = [...new Set(below.map((name) => name.slice(prefix.length).replace(/\/.*/, '/')))]
  return keys.length === 0 ? NOTHING : { status: 200, data: { keys } }
}

function mark(secret: Secret2, how: 'delete' | 'undelete' | 'destroy', body: unknown): KvAnswer {
  const { versions = [] } = (body ?? {}) as { versions?: (number | string)[] }
  for (const number of versions) {
    const version = secret.versions[number]
    if (version === undefined || version.destroyed) continue
    if (how === 'destroy') Object.assign(version, { destroyed: true, data: null })
    else version.deletion = how === 'delete' ? timeNow() : ''
  }
  return DONE
}
