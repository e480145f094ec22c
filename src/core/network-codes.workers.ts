/** workerd says in words what the network did: `network.ts` knows them. */
import type * as elsewhere from './network-codes.ts'

export const codedIn: typeof elsewhere.codedIn = () => null
export const isOfFetch: typeof elsewhere.isOfFetch = () => false
export const isOfNetwork: typeof elsewhere.isOfNetwork = () => false
