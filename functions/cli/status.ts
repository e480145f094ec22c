/** `edge-keyring status`: the state of one keyring, a line for each thing that there is to say. */
import type { KeyringClient } from './client.ts'
import type { Outcome } from './command.ts'
import type { StatusBody, VaultBody, WrappingKeysBody } from './schema.ts'

/** @param isCheck the exit status says whether something is needed, for a monitor. */
export async function status(keyring: KeyringClient, isCheck: boolean): Promise<Outcome> {
  const document = await keyring.status()
  const lines = screen(document).map(([label, text]) => `${label.padEnd(12)}  ${text}\n`)
  return { document, screen: lines.join(''), exit: isCheck && document.needed.length > 0 ? 1 : 0 }
}

function screen(view: StatusBody): [label: string, text: string][] {
  const { source, last_error: failing, needed, wrapping_keys: keys = [], vaults = [] } = view
  const count = view.keys.length === 1 ? '1 key' : `${view.keys.length} keys`
  return [
    ['keyring', `${view.keyring}: ${count}, active ${view.active ?? 'none'}`],
    ...rows('source', source && `${source.address} ${source.mount}/${source.path}`),
    ['last success', view.last_success ?? 'never'],
    ...rows(
      'failing',
      failing && `since ${failing.since}, ${times(failing.failures)}: ${failing.code}: ${failing.message}`,
    ),
    ...rows('next try', view.next_try),
    ...rows('rotation', ...rotation(view)),
    ...rows('replica', replica(view)),
    ...rows('lost', view.lost > 0 ? `${view.lost} versions vanished before they were read` : null),
    ...rows('skipped', ...view.skipped.map(({ version, why }) => `version ${version}: ${why}`)),
    // One key alone, which seals everything, is not worth a line.
    ...rows('wrapping key', ...(keys.length < 2 ? [] : keysInWords(keys))),
    ...rows('ends', ...ends(view)),
    ...rows('vault', ...vaults.map(vaultInWords)),
    ...rows('needed', ...(needed.length === 0 ? ['nothing'] : needed)),
  ]
}

const ends = ({ ends: all = [] }: StatusBody): string[] =>
  all.map(({ detail, days }) => `${detail} (within ${days} days)`)

function vaultInWords({ vault, kept, more, stale = 0, refused = 0, last_error: failing, error }: VaultBody): string {
  if (kept === undefined) return `${vault}: ${error?.code}: ${error?.message}`
  const parts = [
    `${kept}${more ? ' or more' : ''} kept`,
    ...(stale > 0 ? [`${stale} expired, in use`] : []),
    ...(refused > 0 ? [`${refused} absent or forbidden`] : []),
    ...(failing ? [`${failing.count} failing since ${failing.since}: ${failing.code}: ${failing.message}`] : []),
  ]
  return `${vault}: ${parts.join(', ')}`
}

const replica = ({ replica: copy }: StatusBody): string | null =>
  copy?.lags ? 'lags behind the record; the schedule brings it up' : null

function rotation({ rotation: all }: StatusBody): string[] {
  if (!all) return []
  const { last, next, left, last_error: failing } = all
  const times = `last ${last ?? 'never'}, next ${next ?? 'by hand'}`
  const room = left === null ? '' : `, ${left} left until Vault would prune a key`
  return [
    times + room,
    ...(failing === null ? [] : [`failing since ${failing.since}: ${failing.code}: ${failing.message}`]),
  ]
}

export const keysInWords = (keys: WrappingKeysBody): string[] =>
  keys.map(({ id, configured, first, needed_by: by }) => {
    const place = first ? 'first' : configured ? 'behind the first' : 'not configured'
    return `${id} (${place}): ${by.length === 0 ? 'not needed' : `needed by ${by.join(', ')}`}`
  })

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`)

const rows = (label: string, ...texts: (string | null)[]): [string, string][] =>
  texts.flatMap((text) => (text === null ? [] : [[label, text]]))
