/**
 * The names that the environment of a shell or a pod has for others, although they look as if they were for us. The variables of a Worker
 * and of Lambda are all written for it, so that those do without this file.
 */
import { isStranger } from './names.ts'
import type { Env } from './setting.ts'
import { isSet } from './setting.ts'

interface Own {
  /** Without links of Kubernetes. */
  readonly env: Env
  readonly notices: readonly string[]
}

/** What Vault's own clients read as BAO_* and VAULT_* beside the names that are fallbacks of settings, by the reason why it is not read. */
const OF_CLIENTS = {
  'the way to Vault has settings of its own, KEYRING_VAULT_*':
    'AGENT_ADDR CAPATH CLIENT_CERT_BYTES CLIENT_KEY_BYTES HEADERS HTTP_PROXY PROXY_ADDR SRV_LOOKUP TOKEN_PATH',
  'a request is tried three times, follows no redirect and wraps no answer':
    'DISABLE_REDIRECTS MAX_RETRIES MFA RATE_LIMIT WRAP_TTL',
  'it is for a command line or a server':
    'CLI_NO_COLOR DETAILED EXPERIMENTS FORMAT LICENSE LICENSE_PATH LOG_FORMAT LOG_LEVEL',
}

const clientNotices = (env: Env): string[] =>
  Object.entries(OF_CLIENTS).flatMap(([why, names]) => {
    const found = names
      .split(' ')
      .flatMap((name) => [`BAO_${name}`, `VAULT_${name}`].filter((each) => isSet(env, each)))
    return found.length === 0 ? [] : [`${found.join(', ')} ${found.length > 1 ? 'are' : 'is'} not used here: ${why}.`]
  })

/** The ends of names, and values, that Kubernetes gives every pod because of a Service, which may well be called `keyring`. */
const SERVICE_LINKS = [
  [/_SERVICE_HOST$|_PORT_\d+_\w+_ADDR$/, /^(?:\d+(?:\.\d+){3}|[\da-f]*:[\da-f:.]+)$/],
  [/_SERVICE_PORT(?:_\w+)?$|_PORT_\d+_\w+_PORT$/, /^\d{1,5}$/],
  [/_PORT(?:_\d+_[A-Z]+)?$/, /^[a-z]+:\/\/[\da-f.:[\]]+:\d{1,5}$/],
  [/_PORT_\d+_\w+_PROTO$/, /^(?:tcp|udp|sctp)$/],
] as const

export function withoutOthers(env: Env): Own {
  const isLink = (name: string): boolean =>
    isStranger(env, name) && SERVICE_LINKS.some(([end, form]) => end.test(name) && form.test(env[name] ?? ''))
  const [first, ...others] = Object.keys(env).filter(isLink)
  if (first === undefined) return { env, notices: clientNotices(env) }
  const names = others.length === 0 ? first : `${first} and ${others.length} more`
  return {
    env: Object.fromEntries(Object.entries(env).filter(([name]) => !isLink(name))),
    notices: [
      ...clientNotices(env),
      `${names}: links of Kubernetes to a Service, not used here; enableServiceLinks: false leaves them out.`,
    ],
  }
}
