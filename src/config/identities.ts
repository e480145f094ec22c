/** Where a platform gives a JWT to what runs on it. Workers and Lambda have none: `identities.serverless.ts`. */
import type { IdentityEndpoint } from '../core/login-settings.ts'
import { isLoopback, safeAddress } from '../core/loopback.ts'
import { Secret } from '../core/secret.ts'
import type { Env } from './setting.ts'

const HINTS: Readonly<Record<string, string>> = { github: ': the job needs the permission id-token: write' }

/** @returns a text = what is wrong. */
export const identityOf = (source: keyof typeof IDENTITIES, audience: string, env: Env): IdentityEndpoint | string =>
  IDENTITIES[source](audience, env) ?? `names ${source}, which gives no identity here${HINTS[source] ?? ''}`

type Identity = (audience: string, env: Env) => IdentityEndpoint | null

const METADATA_HOST = 'metadata.google.internal'
const AZURE_VM = 'http://169.254.169.254/metadata/identity/oauth2/token'

/** `null` = it gives none here. Nothing is guessed: the operator names the platform. */
const IDENTITIES: Readonly<Record<'azure' | 'github' | 'google', Identity>> = {
  /** Instances, Cloud Run and its functions have a metadata service: https://docs.cloud.google.com/compute/docs/instances/verifying-instance-identity */
  google: (audience, { GCE_METADATA_HOST: host }) => {
    const url = `http://${host || METADATA_HOST}/computeMetadata/v1/instance/service-accounts/default/identity`
    return endpoint(url, { audience, format: 'full' }, ['metadata-flavor', 'Google'], null)
  },

  /**
   * A managed identity has an endpoint: App Service, Functions and Container Apps announce where, virtual machines do not.
   * https://learn.microsoft.com/azure/app-service/overview-managed-identity
   * https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
   */
  azure: (resource, { IDENTITY_ENDPOINT: url, IDENTITY_HEADER: header, AZURE_CLIENT_ID: client }) => {
    const query = { resource, ...(client && { client_id: client }) }
    if (url && header)
      return endpoint(url, { 'api-version': '2019-08-01', ...query }, ['x-identity-header', header], 'access_token')
    return endpoint(AZURE_VM, { 'api-version': '2018-02-01', ...query }, ['metadata', 'true'], 'access_token')
  },

  /** A job needs the permission `id-token: write`: https://docs.github.com/actions/reference/security/oidc */
  github: (audience, { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: token }) =>
    url && token ? endpoint(url, { audience }, ['authorization', `bearer ${token}`], 'value') : null,
}

function endpoint(
  url: string,
  query: Readonly<Record<string, string>>,
  [name, value]: readonly [string, string],
  field: string | null,
): IdentityEndpoint | null {
  const at = safeAddress(url, isNear)
  if (at === null || !/^[\x20-\x7e]+$/.test(value)) return null
  for (const entry of Object.entries(query)) at.searchParams.set(...entry)
  return { url: at.href, header: { name, value: new Secret(value) }, field }
}

/** Plain http does not leave the machine. */
const isNear = (host: string): boolean =>
  isLoopback(host) || host === METADATA_HOST || /^169\.254(?:\.\d+){2}$/.test(host)
