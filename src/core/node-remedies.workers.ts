/** Nothing in a Worker throws these codes. What comes from elsewhere has its remedy along. */
import type * as elsewhere from './node-remedies.ts'

export const NODE_REMEDIES = {} as typeof elsewhere.NODE_REMEDIES
