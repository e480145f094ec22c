/** The limits that the whole product keeps, with their units and reasons, and the form of its names. */

/** Bytes of one stored record. DynamoDB refuses items over 400 KB, a Durable Object values over 2 MB; every store refuses at this. */
export const MAX_RECORD_BYTES = 350 * 1024
/** Bytes of one answer from Vault: 900 versions of metadata are about 100 KiB. */
export const MAX_VAULT_BODY_BYTES = 4 * 1024 * 1024
/** Bytes of one request body: one item to encrypt, in base64, with its context. */
export const MAX_REQUEST_BODY_BYTES = 1024 * 1024
/** Requests to Vault at one time: Workers allow 6 connections for each request. */
export const VAULT_CONCURRENCY = 6
/** The longest a sync may take, in milliseconds. */
export const SYNC_DEADLINE_MS = 60_000
/** How often a sync decides again after somebody else wrote. */
export const SYNC_ATTEMPTS = 5

/** A key id is the operator's; Kong makes ids of 8 characters. */
export const KEY_ID = /^[A-Za-z0-9._~-]{1,64}$/
export const KEYRING_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/
export const WRAPPING_KEY_ID = /^[A-Za-z0-9._-]{1,32}$/
