/** The settings of a Worker refuse the login without keys. */
import type * as elsewhere from './aws-machine.ts'

export const keysOfMachine: typeof elsewhere.keysOfMachine = () =>
  Promise.reject(new Error('A Worker has no machine of AWS.'))
