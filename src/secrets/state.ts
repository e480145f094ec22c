/** The state of a secret as the store keeps it: sealed whole, because its resource is nobody's business either (`ekx1`, docs/formats.md). */
import type { Bytes } from '../core/bytes.ts'
import { parseJson } from '../core/body.ts'
import { KeyringError, settle } from '../core/errors.ts'
import type { SecretName } from '../core/vault-operations.ts'
import type { ItemSealer } from '../crypto/seal-item.ts'
import type { SecretState } from './life.ts'

/** The names of its item, by each wrapping key: others cannot tell from one which secret that is. @param identity all that says where it is read from. */
export const itemNames = (sealer: ItemSealer, identity: string, { resource, version }: SecretName) =>
  sealer.fingerprints(JSON.stringify([identity, resource, version]))

/** The one that is written. */
export const itemName = async (...of: Parameters<typeof itemNames>): Promise<string> =>
  (await itemNames(...of))[0] ?? ''

export const sealState = (sealer: ItemSealer, name: string, state: SecretState): Promise<Bytes> =>
  sealer.seal(name, JSON.stringify({ ...state, due: Number.isFinite(state.due) ? state.due : null }))

/** @throws `ERR_RECORD_INVALID`, `ERR_WRAPPING_KEY_MISSING`. */
export async function openState(sealer: ItemSealer, name: string, bytes: Bytes): Promise<SecretState> {
  const state = parseJson(await sealer.open(name, bytes)) as (SecretState & { readonly due: number | null }) | undefined
  if (state === undefined) throw new KeyringError('ERR_RECORD_INVALID', 'A stored secret has no readable state.')
  return { ...state, due: state.due ?? Number.POSITIVE_INFINITY }
}

/** `null` = there is none, or it does not open: then it is had again. */
export async function stateIn(sealer: ItemSealer, name: string, bytes: Bytes | null): Promise<SecretState | null> {
  const opened = bytes && (await settle(() => openState(sealer, name, bytes)))
  return opened?.ok ? opened.value : null
}
