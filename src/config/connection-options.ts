/** Where a Vault is and what is read of it, in the words of Kong's Vault entity. What is not used yet is known all the same. */
import * as z from 'zod/mini'
import type { Option } from './login-options.ts'
import { host, namespace, onOff, vaultPath, wholeNumber } from './values.ts'

const protocol = z.enum(['http', 'https'], 'must be http or https')
const version = z.pipe(
  z.enum(['v1', 'v2'], 'must be v1 or v2'),
  z.transform((text): 1 | 2 => (text === 'v1' ? 1 : 2)),
)
const verified = z.pipe(
  onOff,
  z.boolean().check(z.refine((isOn) => isOn, 'must be on: make the authority trusted instead')),
)
const seconds = wholeNumber(0, 100_000_000)

/** Defaults are Kong's. */
export const CONNECTION_OPTIONS = {
  protocol: { schema: protocol, default: 'http' },
  host: { schema: host, default: '127.0.0.1' },
  port: { schema: wholeNumber(1, 65_535), default: '8200' },
  namespace: { schema: namespace, default: '' },
  mount: { schema: vaultPath('the mount of the KV engine'), default: 'secret' },
  kv: { schema: version, default: 'v1' },
  ssl_verify: { schema: verified, default: 'on' },
  ttl: { schema: seconds },
  neg_ttl: { schema: seconds },
  resurrect_ttl: { schema: seconds },
  base64_decode: { schema: onOff, also: ['decode_base64'] },
} as const satisfies Record<string, Option>

/** They belong to references, which come with a later release. */
export const NOT_YET = ['ttl', 'neg_ttl', 'resurrect_ttl', 'base64_decode'] as const
