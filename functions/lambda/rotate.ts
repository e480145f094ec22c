/** The function that rotates, by its rule and by hand: the sync function's code, under a role and a login that may write to Vault. */
export { handler } from './sync.ts'
