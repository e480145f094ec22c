/** The deployment of references as it is asked over HTTP, with an API token that has the grants. */
import { parseJson } from '../core/body.ts'
import type { ErrorData, Result } from '../core/errors.ts'
import { KeyringError } from '../core/errors.ts'
import { writtenAddress } from '../core/loopback.ts'
import type { ReferenceService } from './references.ts'
import { NO_ANSWER } from './references.ts'

const DEADLINE_MS = 10_000

/** @param env EDGE_KEYRING_URL and EDGE_KEYRING_TOKEN. @throws `ERR_CONFIG_INVALID`. */
export function httpService(env: Readonly<Record<string, unknown>>): ReferenceService {
  const { EDGE_KEYRING_URL: url, EDGE_KEYRING_TOKEN: token } = env
  if (typeof url !== 'string' || writtenAddress(url) === null)
    throw new KeyringError(
      'ERR_CONFIG_INVALID',
      'EDGE_KEYRING_URL must be the https address of the deployment, without user, query or fragment.',
    )
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))
    throw new KeyringError('ERR_CONFIG_INVALID', 'EDGE_KEYRING_TOKEN must be an API token.')
  return {
    async resolve(asked) {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const body = JSON.stringify(asked)
      const init = {
        method: 'POST',
        headers,
        body,
        redirect: 'error',
        signal: AbortSignal.timeout(DEADLINE_MS),
      } as const
      // What fetch throws may quote what it was given.
      const response = await fetch(`${url.replace(/\/+$/, '')}/secrets/resolve`, init).catch(() => null)
      const answer = response && (parseJson(await response.text().catch(() => '')) as Answer | null | undefined)
      if (!response?.ok || !Array.isArray(answer?.secrets))
        return { ok: false, error: { ...NO_ANSWER, ...told(answer) } }
      return { ok: true, value: answer.secrets.map(resultOf) }
    },
  }
}

/** The service where there is one: a binding that is given, or what the settings name. @throws `ERR_CONFIG_INVALID`. */
export const serviceOf = (
  env: Readonly<Record<string, unknown>>,
  given: ReferenceService | undefined,
): ReferenceService | null => given ?? ((env['EDGE_KEYRING_URL'] ?? '') === '' ? null : httpService(env))

/** A document of an error has its sentence as `detail`; on the paths of Kong, and of an item, as `message`. */
interface Told extends Partial<ErrorData> {
  readonly detail?: string
}

interface Answer extends Told {
  readonly secrets?: readonly { readonly value?: unknown; readonly error?: Partial<ErrorData> }[]
}

const resultOf = ({ value, error }: NonNullable<Answer['secrets']>[number]): Result<{ readonly value: string }> =>
  typeof value === 'string' ? { ok: true, value: { value } } : { ok: false, error: { ...NO_ANSWER, ...told(error) } }

/** Of a document of ours its own words. */
const told = (document: Told | null | undefined): Partial<ErrorData> => {
  const { code, detail, message = detail, remedy } = document ?? {}
  return typeof code === 'string' && code.startsWith('ERR_') && typeof message === 'string'
    ? { code, message, ...(typeof remedy === 'string' && { remedy }) }
    : {}
}
