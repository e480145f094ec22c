/** The state of a secret as the store keeps it: sealed whole, because its resource is nobody's business either (`ekx1`, docs/formats.md). */
import type { Bytes } from '../core/bytes.ts'
import { parseJson } from '../core/body.ts'
import { KeyringError } from '../core/errors.ts'
import type { SecretName } from '../core/vault-operations.ts'
import type { ItemSealer } from '../crypto/seal-item.ts'
import type { SecretState } from './life.ts'

/** The name of its item: others cannot tell from it which secret that is. @param identity all that says where it is read from. */
export async function itemName(sealer: ItemSealer, identity: string, { resource, version }: SecretName) {
  const [first = ''] = await sealer.fingerprints(JSON.stringify([identity, resource, version]))
  return first
}

export const sealState = (sealer: ItemSealer, name: string, state: SecretState): Promise<Bytes> =>
  sealer.seal(name, JSON.stringify({ ...state, due: Number.isFinite(state.due) ? state.due : null }))

/** @throws `ERR_RECORD_INVALID`, `ERR_WRAPPING_KEY_MISSING`. */
export async function openState(sealer: ItemSealer, name: string, bytes: Bytes): Promise<SecretState> {
  const state = parseJson(await sealer.open(name, bytes)) as (SecretState & { readonly due: number | null }) | undefined
  if (state === undefined) throw new KeyringError('ERR_RECORD_INVALID', 'A stored secret has no readable state.')
  return { ...state, due: state.due ?? Number.POSITIVE_INFINITY }
}
