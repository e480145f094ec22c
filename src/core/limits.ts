/** The limits that the whole product keeps, with their units and reasons, and the form of its names. */

/** Bytes of one stored record. DynamoDB refuses items over 400 KB, a Durable Object values over 2 MB; every store refuses at this. */
export const MAX_RECORD_BYTES = 350 * 1024
/** Bytes of one answer from Vault: 900 versions of metadata are about 100 KiB. */
export const MAX_VAULT_BODY_BYTES = 4 * 1024 * 1024
/** Bytes of one request body: Lambda's event has 6 MiB, in which bytes are base64. What may be encrypted follows from it, below. */
export const MAX_REQUEST_BODY_BYTES = 4 * 1024 * 1024
/** Requests to Vault at one time: Workers allow 6 connections for each request. */
export const VAULT_CONCURRENCY = 6
/** The longest a sync may take, in milliseconds. */
export const SYNC_DEADLINE_MS = 60_000
/** How often a sync decides again after somebody else wrote. */
export const SYNC_ATTEMPTS = 5

/** A key id is the operator's; Kong makes ids of 8 characters. */
export const KEY_ID = /^[A-Za-z0-9._~-]{1,64}$/
export const KEYRING_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/
/** No date is later, in milliseconds since 1970. */
export const MOST_TIME = 8.64e15
/** KV version 1 knows no time of creation, so that a folder that was emptied and filled again is the same one. */
export const KV1_INCARNATION = 'kv1'
/** The highest number of a version: in KV version 1 it is a name of five digits. */
export const MOST_VERSION = { kv1: 99_999, kv2: 1e15 - 1 } as const
/** As Kong has it, and at most 64 characters. */
export const VAULT_PREFIX = /^[a-z][a-z\d-]{0,62}[a-z\d]$/
export const WRAPPING_KEY_ID = /^[A-Za-z0-9._-]{1,32}$/

/** Bytes of the context that a value is bound to; AWS KMS allows as many. */
export const MAX_CONTEXT_BYTES = 8 * 1024
/** Bytes of a context in a header: API Gateway takes 10,240 bytes of headers, and this is base64 there. */
export const MAX_HEADER_CONTEXT_BYTES = 4 * 1024
/** Bytes of one answer: Lambda takes no more back from a function, as JSON in which the answer's own JSON is one text. */
export const MAX_ANSWER_BYTES = 6 * 1024 * 1024
/** Bytes around a value: the names of the fields with the spaces of a pretty printer, Lambda's headers. */
const ENVELOPE_BYTES = 1024
/** JSON writes a control character, one byte, as `\u0001`; a form takes 3 bytes at most, or 4 for base64 that is escaped. */
const ESCAPED = 6
/** In Lambda's answer the backslash of that is escaped once more. */
export const ESCAPED_TWICE = 7
/** `ek1.<id>.` */
const EK1_HEAD_BYTES = 'ek1.'.length + 64 + '.'.length
/** Commitment, nonce and tag. */
const EK1_ADDED_BYTES = 16 + 24 + 16

/** What decrypt has to take: the value in base64url, and the longest context as it is written at worst. */
const fitsRequest =
  ((MAX_REQUEST_BODY_BYTES - ENVELOPE_BYTES - ESCAPED * MAX_CONTEXT_BYTES - EK1_HEAD_BYTES) * 3) / 4 - EK1_ADDED_BYTES
/** What decrypt has to give: a text of nothing but control characters. Base64 is shorter. */
const fitsAnswer = (MAX_ANSWER_BYTES - ENVELOPE_BYTES) / ESCAPED_TWICE

const inKiB = (bytes: number): number => Math.floor(bytes / 1024) * 1024

/** Bytes of one item to encrypt, in whole KiB: the most that decrypt takes back in every encoding on every platform. */
export const MAX_PLAINTEXT_BYTES = inKiB(Math.min(fitsRequest, fitsAnswer))
/** The same of raw bytes, which decrypt gives back as such, and in JSON as base64. */
export const MAX_RAW_BYTES = inKiB(fitsRequest)
/** Characters of all values in one answer to a list of references, which are written beside them. */
export const MAX_VALUES_LENGTH = 731 * 1024

/** Items of one batch. Beyond 1,000 there is little left to save. */
export const MAX_BATCH_ITEMS = 4000
/** Bytes of an item to decrypt beside its value and context: names of fields, with the spaces of a pretty printer. */
const ASKED_BYTES = 128
/** Bytes of an item of an answer beside its value: the id of a key and names of fields, or an error. */
const ANSWERED_BYTES = 512

/** What the items of a batch may have together, in bytes. */
export const MAX_BATCH_BYTES = {
  asked: MAX_REQUEST_BODY_BYTES - ENVELOPE_BYTES,
  answered: MAX_ANSWER_BYTES - ENVELOPE_BYTES,
}

/** What a batch to decrypt has of an item, at most. */
export const askedBytes = (plaintext: number, context: number): number =>
  ASKED_BYTES + EK1_HEAD_BYTES + Math.ceil(((plaintext + EK1_ADDED_BYTES) * 4) / 3) + ESCAPED * context

/** What an answer has of an item, when its value is written in so many bytes. */
export const answeredBytes = (written: number): number => ANSWERED_BYTES + written
