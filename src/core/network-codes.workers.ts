/** workerd says in words what the network did: `network.ts` knows them. */
import type * as elsewhere from './network-codes.ts'

export const CODES: typeof elsewhere.CODES = []
