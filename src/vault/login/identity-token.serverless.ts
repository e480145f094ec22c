/** The settings of Workers and of Lambda name no endpoint of an identity. */
import type * as elsewhere from './identity-token.ts'

export const identityTokens: typeof elsewhere.identityTokens = () => () =>
  Promise.reject(new Error('There is no identity here.'))
