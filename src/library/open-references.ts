/** Opens references for whoever has neither store nor key: the deployment is asked. */
import { httpService } from './http-service.ts'
import type { ReferencesOptions } from './references.ts'
import { References } from './references.ts'

/** @param env EDGE_KEYRING_URL and EDGE_KEYRING_TOKEN. @throws `ERR_CONFIG_INVALID`. */
export const openReferences = (
  env: Readonly<Record<string, unknown>>,
  { service }: ReferencesOptions = {},
): References => new References({ service: service ?? httpService(env), kept: null, clock: Date })
