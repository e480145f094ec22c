/**
 * Opens a wrapping token with a secret id inside. The token works once: whoever has opened it before us may hold the secret id,
 * so that every surprise is a security event with a code of its own. Only a token that is known to be whole is tried again: the
 * answer has shown that nothing was opened or, where there was none, a look at the token itself.
 */
import * as z from 'zod/mini'
import { integer, only } from '../wire/schema.ts'
import { toHex, utf8 } from '../../core/bytes.ts'
import { KeyringError } from '../../core/errors.ts'
import { LEASED_WORK_MS } from '../../core/lease.ts'
import { ageOf } from '../../core/time.ts'
import { isUntouched } from '../wire/outages.ts'
import type { LoginParts, Wrapped } from './method.ts'

/** A claim that is over. */
const OVER = 1
/** An item tells of a wrapping token since when somebody is opening it, or what came of it. 0 = it is known to be whole. */
const kept = z.object({
  secretId: z.optional(z.string()),
  refused: z.optional(only(true)),
  claimed: z._default(integer, OVER),
})
const WHOLE = { claimed: 0 }
const lookupReply = z.object({ data: z.object({ creation_path: z.string() }) })
const unwrapReply = z.object({ data: z.object({ secret_id: z.string() }) })

type Item = Awaited<ReturnType<LoginParts['items']['read']>>

/** @throws `ERR_WRAP_TOKEN_SPENT`, `ERR_WRAP_PATH_MISMATCH`, `ERR_WRAP_RESULT_LOST`, `ERR_LEASE_HELD`, and what `LoginVault` throws. */
export async function unwrapSecretId(wrapped: Wrapped, signal: AbortSignal): Promise<string> {
  const { items, clock } = wrapped.parts
  const name = await itemName(wrapped.token)
  const seen = await items.read(name)
  const known = secretIdOf(seen, clock.now()) ?? (await lookFirst(wrapped, name, seen, signal))
  if (known !== null) return known
  const claimed = await items.write(name, { claimed: clock.now() }, seen?.version ?? 0)
  if (claimed === 'conflict') return ofOthers(wrapped, name)
  const secretId = await open(wrapped, signal).catch(async (error: unknown) => {
    const left = leftBy(error)
    if (left !== null) await items.write(name, left, claimed)
    throw error
  })
  await items.write(name, { secretId }, claimed)
  return secretId
}

/** What is known of the token after that: `null` = nothing, so that the claim stays until a look at the token can tell. */
function leftBy(error: unknown): z.input<typeof kept> | null {
  if (isSpent(error)) return { refused: true }
  return error instanceof KeyringError && isUntouched(error) ? WHOLE : null
}

/** Looking does not consume the token. @returns what another instance of ours has made of it since we read; `null` = the token is whole. */
async function lookFirst(wrapped: Wrapped, name: string, seen: Item, signal: AbortSignal): Promise<string | null> {
  try {
    await refuseForeign(wrapped, signal)
    return null
  } catch (error) {
    // Of a token that is being opened Vault may say too little.
    if (!isSpent(error) && !isTooLittle(error)) throw error
    const meanwhile = await wrapped.parts.items.read(name)
    if (meanwhile?.version !== seen?.version) return ofOthers(wrapped, name)
    throw isSpent(error) && hasClaim(seen) ? lost() : error
  }
}

async function ofOthers({ parts: { items, clock } }: Wrapped, name: string): Promise<string> {
  const now = clock.now()
  const secretId = secretIdOf(await items.read(name), now)
  if (secretId === null) throw held(now, now)
  return secretId
}

/** The token itself is a credential, so that items are named after its hash. */
async function itemName(token: string): Promise<string> {
  return `wrapped/${toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', utf8(token))))}`
}

/** What cannot be read counts as a claim that is over. */
const contentOf = (item: NonNullable<Item>): z.output<typeof kept> =>
  z.safeParse(kept, item.value).data ?? { claimed: OVER }

/** Somebody began to open the token, and nobody knows what came of it. */
function hasClaim(item: Item): boolean {
  if (item === null) return false
  const { secretId, refused, claimed } = contentOf(item)
  return secretId === undefined && refused === undefined && claimed !== WHOLE.claimed
}

/** `null` = nobody is opening the token, or whoever was has ended. A claim of a clock that is far ahead is none. */
function secretIdOf(item: Item, now: number): string | null {
  if (item === null) return null
  const { secretId, refused, claimed } = contentOf(item)
  if (secretId !== undefined) return secretId
  if (refused) throw spent()
  if (ageOf(claimed, now) < LEASED_WORK_MS) throw held(claimed, now)
  return null
}

/** The path tells who made the token: one that a thief has opened and wrapped again says `sys/wrapping/wrap`. */
async function refuseForeign({ mount, roleName, token, vault }: Wrapped, signal: AbortSignal): Promise<void> {
  const body = await vault.post(['sys', 'wrapping', 'lookup'], { token }, null, signal).catch(refusal)
  const path = expect(lookupReply, body).data.creation_path.split('/')
  const start = ['auth', ...mount.split('/'), 'role']
  const role = path[start.length]
  const fits = path.join('/') === [...start, role, 'secret-id'].join('/') && (roleName === '' || role === roleName)
  if (role === undefined || role === '' || !fits)
    throw new KeyringError('ERR_WRAP_PATH_MISMATCH', 'The wrapping token was not made for a secret id of this role.')
}

/** The request is sent once, because after a lost answer the token may be spent. */
async function open({ token, vault }: Wrapped, signal: AbortSignal): Promise<string> {
  const body = await vault.post(['sys', 'wrapping', 'unwrap'], {}, token, signal).catch(refusal)
  return expect(unwrapReply, body).data.secret_id
}

/** Vault answers 400 for a token that is spent, expired or altered, and 403 for an altered JWT form. A proxy's page is neither, whatever its status. */
function refusal(error: unknown): never {
  if (!(error instanceof KeyringError)) throw error
  const { code, facts } = error
  const isVaults = code === 'ERR_VAULT_REQUEST_REFUSED' || code === 'ERR_VAULT_DENIED'
  throw isVaults && (facts['vaultStatus'] === 400 || facts['vaultStatus'] === 403) ? spent() : error
}

const spent = (): KeyringError =>
  new KeyringError('ERR_WRAP_TOKEN_SPENT', 'The wrapping token is spent, expired, altered or no wrapping token.')
const lost = (): KeyringError =>
  new KeyringError('ERR_WRAP_RESULT_LOST', 'The wrapping token was opened, and the secret id in it got lost.')
const held = (since: number, now: number): KeyringError =>
  new KeyringError('ERR_LEASE_HELD', 'The wrapping token is being opened, or the answer to that got lost.', {
    facts: { retryAfterSeconds: Math.max(1, Math.ceil((since + LEASED_WORK_MS - now) / 1000)) },
  })
const isSpent = (error: unknown): boolean => error instanceof KeyringError && error.code === 'ERR_WRAP_TOKEN_SPENT'
const isTooLittle = (error: unknown): boolean =>
  error instanceof KeyringError && error.code === 'ERR_VAULT_ANSWER_INVALID'

function expect<Schema extends z.ZodMiniType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = z.safeParse(schema, body)
  if (parsed.success) return parsed.data
  throw new KeyringError(
    'ERR_VAULT_ANSWER_INVALID',
    'The answer of Vault about a wrapping token is not as its API says.',
  )
}
