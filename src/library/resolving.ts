/** `edge-keyring/references`: what the entry has. */
export { KeyringError } from '../core/errors.ts'
export type { KeyringErrorCode } from '../core/errors.ts'
export { honoSecrets, lambdaSecrets } from './middleware.ts'
export { openReferences } from './open-references.ts'
export type { References, ReferencesOptions, ReferenceService, TryOptions } from './references.ts'
