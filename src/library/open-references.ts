/** Opens references for whoever has neither store nor key: the deployment is asked. */
import { httpService } from './http-service.ts'
import type { ReferencesOptions } from './references.ts'
import { References } from './references.ts'

/** @param env EDGE_KEYRING_URL and EDGE_KEYRING_TOKEN; absent = the environment. @throws `ERR_CONFIG_INVALID`. */
export const openReferences = (
  env: Readonly<Record<string, unknown>> = environment(),
  { service }: ReferencesOptions = {},
): References => new References({ service: service ?? httpService(env), kept: null, clock: Date })

/** Not every platform has one. */
const environment = (): Readonly<Record<string, unknown>> =>
  (globalThis as { readonly process?: { readonly env?: Readonly<Record<string, unknown>> } }).process?.env ?? {}
