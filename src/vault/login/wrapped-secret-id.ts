/**
 * Opens a wrapping token with a secret id inside. The token works once: whoever has opened it before us may hold the secret id,
 * so that every surprise is a security event with a code of its own, and never a reason to try again.
 */
import * as z from 'zod/mini'
import { toHex, utf8 } from '../../core/bytes.ts'
import { KeyringError } from '../../core/errors.ts'
import { LEASED_WORK_MS } from '../../core/lease.ts'
import { ageOf } from '../../core/time.ts'
import type { LoginParts, LoginVault } from './method.ts'

interface Wrapped {
  readonly mount: string
  /** '' = any. */
  readonly roleName: string
  /** The wrapping token. */
  readonly token: string
  readonly vault: LoginVault
  readonly parts: Pick<LoginParts, 'items' | 'clock'>
}

/** An item tells of a wrapping token since when somebody is opening it, or what came of it. */
const kept = z.union([
  z.object({ secretId: z.string() }),
  z.object({ refused: z.literal(true) }),
  z.object({ claimed: z.number() }),
])
const lookupReply = z.object({ data: z.object({ creation_path: z.string() }) })
const unwrapReply = z.object({ data: z.object({ secret_id: z.string() }) })

/** @throws `ERR_WRAP_TOKEN_SPENT`, `ERR_WRAP_PATH_MISMATCH`, `ERR_WRAP_RESULT_LOST`, `ERR_LEASE_HELD`, and what `LoginVault` throws. */
export async function unwrapSecretId(wrapped: Wrapped, signal: AbortSignal): Promise<string> {
  const { items, clock } = wrapped.parts
  const item = await itemName(wrapped.token)
  const seen = await items.read(item)
  if (seen !== null) return secretIdOf(seen.value, clock.now())
  // Looking does not consume the token: an outage up to here leaves no claim, and the next login begins anew.
  try {
    await refuseForeign(wrapped, signal)
  } catch (error) {
    // One that is spent now may have been opened by another instance of ours since we read.
    const meanwhile = isSpent(error) ? await items.read(item) : null
    if (meanwhile === null) throw error
    return secretIdOf(meanwhile.value, clock.now())
  }
  const claimed = await items.write(item, { claimed: clock.now() }, 0)
  if (claimed === 'conflict') return secretIdOf((await items.read(item))?.value, clock.now())
  const secretId = await open(wrapped, signal).catch(async (error: unknown) => {
    if (isSpent(error)) await items.write(item, { refused: true }, claimed)
    throw error
  })
  await items.write(item, { secretId }, claimed)
  return secretId
}

/** The token itself is a credential, so that items are named after its hash. */
async function itemName(token: string): Promise<string> {
  return `wrapped/${toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', utf8(token))))}`
}

function secretIdOf(value: unknown, now: number): string {
  const item = z.safeParse(kept, value).data ?? { claimed: 0 }
  if ('secretId' in item) return item.secretId
  if ('refused' in item) throw spent()
  if (ageOf(item.claimed, now) < LEASED_WORK_MS)
    throw new KeyringError('ERR_LEASE_HELD', 'Another instance is opening the wrapping token.', {
      facts: { retryAfterSeconds: 5 },
    })
  throw new KeyringError('ERR_WRAP_RESULT_LOST', 'The wrapping token was opened, and the secret id in it got lost.')
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
const isSpent = (error: unknown): boolean => error instanceof KeyringError && error.code === 'ERR_WRAP_TOKEN_SPENT'

function expect<Schema extends z.ZodMiniType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = z.safeParse(schema, body)
  if (parsed.success) return parsed.data
  throw new KeyringError(
    'ERR_VAULT_ANSWER_INVALID',
    'The answer of Vault about a wrapping token is not as its API says.',
  )
}
