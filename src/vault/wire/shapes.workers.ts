/** workerd says in words why a server was not reached: `unreached.ts` knows them. */
import type * as elsewhere from './shapes.ts'

export const isStale: typeof elsewhere.isStale = () => false
export const troubleOnNode: typeof elsewhere.troubleOnNode = () => null
