/** What a start does not pay for: rotation, a change of a key, the doctor, settings by reference, and vaults behind references. It is one file, because each more divides what a start loads into more pieces. */
export { RenewedAuthority } from '../../src/keyring/renewed-authority.ts'
export { rare } from '../../src/rare.ts'
export { withVaults } from '../../src/config/with-vaults.ts'
export { readLive } from '../node-shared/references.ts'
export { openLambdaVaults } from './vaults.ts'
