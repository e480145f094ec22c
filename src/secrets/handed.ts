/**
 * What others hand over of a vault that is not asked from here. The time at which they asked it decides: what is later than the clock
 * here is refused, since it would keep out what is true, and what is older than the state that is held is not taken, so that an earlier
 * run of whoever pushes brings nothing back. A state is held as long as it could be brought back.
 */
import { KeyringError } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import type { Handed, HandedSecret } from '../core/vault-operations.ts'
import { CLOCK_SLACK_MS, isAhead } from '../core/time.ts'
import { FORGOTTEN_MS, withAnswer } from './life.ts'
import type { Shelf } from './shelf.ts'
import { inTurns } from './in-turns.ts'

const AT_ONCE = 10
/** How often somebody else may be first. */
const ATTEMPTS = 5

/** @throws `ERR_REQUEST_INVALID`, `ERR_SOURCE_CHANGED`; then nothing was taken. */
export async function takeHanded(
  shelf: Shelf,
  clock: Pick<Clock, 'now'>,
  source: string,
  secrets: readonly HandedSecret[],
): Promise<Handed> {
  refuseUnlike(shelf, clock.now(), source, secrets)
  const taken = await inTurns(secrets, AT_ONCE, (secret) => take(shelf, clock, secret))
  const older = taken.filter((each) => !each).length
  return { taken: taken.length - older, older }
}

function refuseUnlike({ entity }: Shelf, now: number, source: string, secrets: readonly HandedSecret[]): void {
  const vault = entity.prefix
  const refuse = (message: string, remedy: string, code: 'ERR_REQUEST_INVALID' | 'ERR_SOURCE_CHANGED') => {
    throw new KeyringError(code, message, { remedy, facts: { vault } })
  }
  if (entity.backend !== null)
    refuse(`The vault "${vault}" is asked from here.`, 'Set KEYRING_STRATEGY=push here.', 'ERR_REQUEST_INVALID')
  if (source !== entity.source)
    refuse(
      `The secrets are of another place than those of the vault "${vault}".`,
      'Set namespace, mount and kv, or the region, of this vault alike here and there.',
      'ERR_SOURCE_CHANGED',
    )
  if (secrets.some(({ at }) => isAhead(at, now)))
    refuse(
      `Times are later than the deployment's clock, by more than ${CLOCK_SLACK_MS / 1000} s.`,
      "Set the clock of whoever pushes, or the deployment's, and push again.",
      'ERR_REQUEST_INVALID',
    )
  if (secrets.some(({ at }) => at <= now - FORGOTTEN_MS))
    refuse('A secret was asked for too long ago.', 'Push what is asked for now.', 'ERR_REQUEST_INVALID')
}

/** Whether it was; not if there is what was said later. A state with a time that cannot be true is none. */
async function take(
  shelf: Shelf,
  clock: Pick<Clock, 'now'>,
  { found, text, at, ...name }: HandedSecret,
): Promise<boolean> {
  const item = await shelf.nameOf(name)
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const { state, version } = await shelf.load(item, name)
    // What others have pushed while this one waited is later than its begin, and no time to come.
    const now = clock.now()
    if (state.found !== null && at < state.at && !isAhead(state.at, now)) return false
    const answer = found === 'secret' ? { kind: found, text } : { kind: found }
    const before = { ...state, asked: now }
    if ((await shelf.keep(item, withAnswer(before, answer, shelf.entity.rules, at, 0), before, version)) !== null)
      return true
  }
  throw new KeyringError('ERR_SYNC_CONTENDED', 'Others push the same secrets at this moment.')
}
