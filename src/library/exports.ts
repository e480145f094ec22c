/** What each entry of the package has beside its `openKeyring`. */
export { KeyringError } from '../core/errors.ts'
export type { ErrorData, Facts, KeyringErrorCode, Result } from '../core/errors.ts'
export type { Decrypted, Encrypted } from '../keyring/sync-keyring.ts'
export { column, columnSync, rowFields } from '../fields/fields.ts'
export type { Column, FieldOptions, FieldRules, Fields, SyncColumn } from '../fields/fields.ts'
export { lookups } from '../fields/lookups.ts'
export type { IndexRules, Lookups } from '../fields/lookups.ts'
export { inspect } from './library.ts'
export type {
  AuditSink,
  Data,
  Inspected,
  LibraryKeyring,
  Opened,
  PlainItem,
  SealedItem,
  SyncFace,
  UseEvent,
} from './library.ts'
export type { OpenOptions } from './open.ts'
