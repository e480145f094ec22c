/** The settings of a Worker name no endpoint of an identity. */
import type * as elsewhere from './identity-token.ts'

export const identityTokens: typeof elsewhere.identityTokens = () => () =>
  Promise.reject(new Error('A Worker has no identity.'))
