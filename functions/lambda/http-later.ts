/** What a start of the HTTP function does not pay for: what is asked for rarely, the way to the other functions, and vaults behind references. It is one file, as `later.ts` is. */
export { misconfigured } from '../../src/http/misconfigured.ts'
export { rareRoutes } from '../../src/http/rare-routes.ts'
export { invokingAuthority } from './authority.ts'
export { openHttpVaults } from './http-vaults.ts'
