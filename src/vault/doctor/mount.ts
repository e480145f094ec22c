/** The doctor's look at the mount, at what the token may do there, and at how the server says that there was too much. */
import * as z from 'zod/mini'
import { KeyringError } from '../../core/errors.ts'
import type { Finding } from '../../core/findings.ts'
import { printable, printableList } from '../../core/printable.ts'
import type { SourceId } from '../../core/ports.ts'
import { CHECK_FIRST } from '../wire/errors.ts'
import { splitPath } from '../wire/path.ts'
import { capabilitiesOf, flag, mountReply } from '../wire/schema.ts'
import type { DoctorParts, WayParts } from './parts.ts'
import { LESS, asFailed, failedCheck, isFinding, ok, unseen, warning } from './finding.ts'

export async function lookAtMount({ reader, source }: WayParts, signal: AbortSignal): Promise<readonly Finding[]> {
  const { mount } = source.id
  const segments = ['sys', 'internal', 'ui', 'mounts', ...splitPath(mount)]
  const reply = await reader.probe({ segments, signal }).catch(asFailed('mount'))
  if (isFinding(reply))
    return reply.code === 'ERR_VAULT_DENIED' || reply.code === 'ERR_VAULT_MOUNT_NOT_FOUND'
      ? [
          warning(
            'mount',
            `"${mount}" is not there, or the token may do nothing in it.`,
            'Check its name, and the policy.',
          ),
        ]
      : [reply]
  const parsed = z.safeParse(mountReply, reply.body)
  if (!parsed.success) return [unseen('mount', 'The server does not say what it is.')]
  const { path = mount } = parsed.data.data
  const inside = path.replace(/\/$/, '')
  return inside === mount
    ? [kindFound(source.id, parsed.data.data)]
    : [unseen('mount', `"${mount}" lies in the mount "${printable(inside)}".`)]
}

function kindFound(
  { mount, kind }: Pick<SourceId, 'kind' | 'mount'>,
  { type, options }: z.output<typeof mountReply>['data'],
): Finding {
  const found = type === 'kv' ? `kv${options?.version ?? '1'}` : type
  if (found === kind) return ok('mount', `"${mount}" is KV version ${kind.slice(2)}.`)
  const isKv = type === 'kv' && /^kv\d{1,3}$/.test(found)
  const message = `The mount "${mount}" is ${isKv ? `KV version ${found.slice(2)}` : 'no KV mount'}.`
  return failedCheck('mount', new KeyringError('ERR_VAULT_KV_VERSION', message))
}

const ENOUGH: ReadonlySet<string> = new Set(['read', 'list', 'deny'])

/** The rights that the keyring needs; a token should have nothing else. */
const NEEDED: Readonly<Record<SourceId['kind'], (mount: string, path: string) => Readonly<Record<string, string>>>> = {
  kv2: (mount, path) => ({ [`${mount}/metadata/${path}`]: 'read', [`${mount}/data/${path}`]: 'read' }),
  /** A list is asked for with a slash at the end, so that `<path>/*` allows it as `<path>` does. */
  kv1: (mount, path) => ({ [`${mount}/${path}/`]: 'list', [`${mount}/${path}/1`]: 'read' }),
}

export async function lookAtRights({ reader, source }: DoctorParts, signal: AbortSignal): Promise<readonly Finding[]> {
  const needed = NEEDED[source.id.kind](source.id.mount, source.id.path)
  const body = { paths: Object.keys(needed) }
  const reply = await reader
    .post({ segments: ['sys', 'capabilities-self'], body, signal })
    .catch(asFailed('capabilities'))
  if (isFinding(reply))
    return [reply.code === 'ERR_VAULT_DENIED' ? unseen('capabilities', 'The token may not ask what it may do.') : reply]
  if (reply.status === 404) return [unseen('capabilities', 'The server does not say what a token may do.')]
  const { body: answer } = reply
  const granted = Object.keys(needed).map((path) => ({ path, can: capabilitiesOf(answer, path) }))
  const lacking = granted.filter(({ path, can }) => !can.has(needed[path] ?? '') && !can.has('root'))
  if (lacking.length > 0) {
    const list = lacking.map(({ path }) => `${needed[path]} ${path}`).join(' and ')
    const remedy = `${CHECK_FIRST} to the policy: ${lacking.map(({ path }) => `path "${path}" { capabilities = ["${needed[path]}"] }`).join(' ')}`
    return [failedCheck('capabilities', new KeyringError('ERR_VAULT_DENIED', `The token may not ${list}.`, { remedy }))]
  }
  if (granted.some(({ can }) => can.has('root'))) return [warning('capabilities', 'The token may do everything.', LESS)]
  const more = granted.flatMap(({ can }) => [...can].filter((capability) => !ENOUGH.has(capability)))
  const may = Object.entries(needed)
    .map(([path, capability]) => `${capability} ${path}`)
    .join(', ')
  if (more.length === 0) return [ok('capabilities', `The token may ${may}.`)]
  return [warning('capabilities', `The token may ${may}, and also ${printableList([...new Set(more)])}.`, LESS)]
}

const quotaReply = z.object({ data: z.object({ enable_rate_limit_response_headers: flag }) })

/** Without that header a client can only guess how long to wait. Most tokens may not see the setting: it is for operators. */
export async function lookAtRateLimit({ reader }: WayParts, signal: AbortSignal): Promise<readonly Finding[]> {
  const reply = await reader.probe({ segments: ['sys', 'quotas', 'config'], signal }).catch(asFailed('rate-limit'))
  const parsed = isFinding(reply) ? null : z.safeParse(quotaReply, reply.body)
  if (!parsed?.success)
    return [unseen('rate-limit', 'Whether the server sends Retry-After with 429 is for its operators to see.')]
  if (parsed.data.data.enable_rate_limit_response_headers)
    return [ok('rate-limit', 'The server sends Retry-After with 429.')]
  const quotas = { segments: ['sys', 'quotas', 'rate-limit'], query: { list: 'true' }, signal }
  const listed = await reader.probe(quotas).catch(asFailed('rate-limit'))
  if (!isFinding(listed) && listed.status === 404)
    return [ok('rate-limit', 'There is no quota for the rate of requests.')]
  return [
    warning(
      'rate-limit',
      'The server sends no Retry-After with 429.',
      'Set enable_rate_limit_response_headers at sys/quotas/config.',
    ),
  ]
}
