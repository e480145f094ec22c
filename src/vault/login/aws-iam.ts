/** `aws_iam`: a signed question to AWS, "who am I?", that Vault sends on for us. The signature holds for about 15 minutes. */
import { keysOfMachine } from '#platform/vault/login/aws-machine'
import { toBase64, utf8 } from '../../core/bytes.ts'
import type { AwsIamSettings } from '../../core/login-settings.ts'
import { assumeRole } from './aws-assume-role.ts'
import type { AwsKeys } from './aws-signature.ts'
import { FORM, signedHeaders } from './aws-signature.ts'
import type { LoginMethod, LoginParts } from './method.ts'
import { inRole, loginPath } from './path.ts'

/** Vault takes this body alone, and no query. */
const QUESTION = 'Action=GetCallerIdentity&Version=2011-06-15'

export function awsIamLogin(settings: AwsIamSettings, parts: LoginParts): LoginMethod {
  const { mount, role } = settings
  return {
    method: 'aws_iam',
    mount,
    role,
    credential: () => identity(settings),
    login: async (vault, signal) => {
      const own = await keysOf(settings, parts, signal)
      const keys = settings.assume === null ? own : await assumeRole(own, settings, settings.assume, parts, signal)
      return vault.login(
        loginPath(mount),
        { ...inRole(role), ...(await signedQuestion(keys, settings, parts)) },
        signal,
      )
    },
  }
}

async function keysOf(settings: AwsIamSettings, parts: LoginParts, signal: AbortSignal): Promise<AwsKeys> {
  const { credentials: source } = settings
  if (source.from !== 'keys') return keysOfMachine(source, settings, parts, signal)
  const { accessKeyId, secretAccessKey, sessionToken } = source
  return { accessKeyId, secretAccessKey: secretAccessKey.reveal(), sessionToken: sessionToken?.reveal() ?? null }
}

/** Temporary keys are other ones all the time, yet of the same role: so they do not make another credential. */
function identity({ credentials, assume }: AwsIamSettings): string {
  const keys = credentials.from === 'keys' && credentials.sessionToken === null
  const role = credentials.from === 'web-identity' ? credentials.arn : ''
  const own = keys ? [credentials.accessKeyId, credentials.secretAccessKey.reveal()] : [credentials.from, role]
  return JSON.stringify([...own, assume?.arn ?? ''])
}

async function signedQuestion(
  keys: AwsKeys,
  { region, stsEndpoint, serverId }: AwsIamSettings,
  { clock }: LoginParts,
): Promise<Record<string, string>> {
  const headers = { 'content-type': FORM, ...(serverId !== '' && { 'x-vault-aws-iam-server-id': serverId }) }
  const signed = await signedHeaders(keys, {
    service: 'sts',
    region,
    url: stsEndpoint,
    body: QUESTION,
    headers,
    now: clock.now(),
  })
  return {
    iam_http_request_method: 'POST',
    iam_request_url: toBase64(utf8(stsEndpoint)),
    iam_request_body: toBase64(utf8(QUESTION)),
    iam_request_headers: toBase64(utf8(JSON.stringify(signed))),
  }
}
