/** The request bodies of what is asked for rarely. */
import { KEY_ID } from '../core/limits.ts'
import type { PairRead } from '../core/ports.ts'
import { Secret } from '../core/secret.ts'
import { isHanded, isObservation, isReads, isSource, isWhole } from '../keyring/push-shape.ts'
import type { Field } from './schema.ts'
import { NOT_ALLOWED, optional, refuse, string, text } from './schema.ts'

/** A Vault token goes into a header: those of batches are the longest, with some hundred characters. */
const MOST_TOKEN = 8192
const vaultToken: Field<string> = (value) => {
  if (string(value) === '') refuse('is empty')
  return string(value).length > MOST_TOKEN ? refuse('is too long') : string(value)
}

/** Checked before it reaches the audit log. */
const keyId: Field<string> = (value) =>
  KEY_ID.test(string(value)) ? string(value) : refuse('is not 1 to 64 letters, digits, ".", "_", "~" or "-"')

const flag: Field<boolean> = (value = false) => {
  if (typeof value === 'boolean') return value
  return value === 'true' || value === 'on' ? true : value === 'false' || value === 'off' ? false : refuse(NOT_ALLOWED)
}

const shaped =
  <T>(is: (value: unknown) => value is T): Field<T> =>
  (value) =>
    is(value) ? value : refuse('is not as expected')

/** Key strings are secrets from here on. */
const reads: Field<readonly PairRead[]> = (value) =>
  shaped(isReads)(value).map((read) => (read.kind === 'key' ? { ...read, key: new Secret(read.key) } : read))

export const syncBody = { token: optional(vaultToken), force: flag, adopt: flag }
export const rotateBody = { dry_run: flag }
export const doctorBody = { login: flag }
export const importQuery = { force: flag }

/** Without `reads` it is an offer; `mount_keeps` asks whether a key may be written. */
export const pushBody = {
  source: shaped(isSource),
  observation: shaped(isObservation),
  reads: optional(reads),
  mount_keeps: optional(shaped(isWhole)),
  force: flag,
  adopt: flag,
}

/** References of one request. */
export const MOST_REFERENCES = 1000
const references: Field<readonly string[]> = (value) =>
  Array.isArray(value) && value.length > 0 && value.length <= MOST_REFERENCES
    ? value.map(text)
    : refuse(`is not a list of 1 to ${MOST_REFERENCES} texts`)

export const resolveBody = { references, refresh: flag }
export const cachedQuery = { after: optional(text) }
export const handBody = { vault: text, source: text, secrets: shaped(isHanded) }

/** Kong names the key id `key`; some of its pages say `id`. */
export const changeBody = { key: optional(keyId), id: optional(keyId), force: flag }
