/**
 * A source that cannot be asked from here: somebody who reaches it hands over what it holds, in two steps. First an observation is
 * offered, and `planSync` answers which versions are lacking, for good or ill as for a sync. Those are read there, and delivered
 * with the observation; `syncKeyring` applies them as if it had read them. So there is one set of rules, and whoever pushes can do
 * no more than whoever writes the source.
 *
 * What differs: the identity of the source is the deployment's setting, and what was seen before the secret was made anew is
 * refused whatever flag is given, since an old answer may come late and no source is there to be asked.
 */
import { KeyringError, ofPush, settle, unwrap } from '../core/errors.ts'
import type { Result } from '../core/errors.ts'
import { KV1_INCARNATION, MOST_VERSION } from '../core/limits.ts'
import type { Push, PushAnswer } from '../core/operations.ts'
import type { Cipher, Clock, Hash, KeySource, Observation, PlainRead, RotationRules, SourceId } from '../core/ports.ts'
import { Secret } from '../core/secret.ts'
import { materialOf } from '../crypto/material.ts'
import { planSync, writtenMs } from './plan.ts'
import type { KeyringRecord } from './record.ts'
import { KV1, newId } from './rotate.ts'
import { refuseUnsafeWrite, refusedRotation, rotationsLeft } from './rotation.ts'
import type { StatusLog } from './status-log.ts'
import { believedStops } from './stopped.ts'
import type { SyncParts } from './sync.ts'

/** What differs at the authority for a keyring that is pushed; it is loaded when it is needed. */
export const pushing = { offer, delivered, notAskedHere, notPushedHere, inWords } as const

const otherWay = (keyring: string, what: string, remedy: string): KeyringError =>
  new KeyringError('ERR_REQUEST_INVALID', `Keyring "${keyring}" is ${what}.`, { facts: { keyring }, remedy })

function notAskedHere(keyring: string): KeyringError {
  const remedy = 'Run "edge-keyring push [--rotate]" where Vault is reached.'
  return otherWay(keyring, 'pushed from inside', remedy)
}

function notPushedHere(keyring: string): KeyringError {
  return otherWay(keyring, 'synced from here', 'Sync it; or set KEYRING_STRATEGY=push here.')
}

function inWords<T>(result: Result<T>): Result<T> {
  if (result.ok) return result
  const { error } = result
  return {
    ok: false,
    error: { ...error, remedy: ofPush(error.remedy) },
  }
}

interface OfferParts extends Pick<SyncParts, 'keyring' | 'ledger' | 'clock' | 'doubt' | 'batch'> {
  readonly source: SourceId
  readonly rules: RotationRules
  readonly log: StatusLog
}

/** A refusal is told in the status too, because whoever pushes goes no further. */
async function offer(parts: OfferParts, push: Push, mountKeeps: number | null): Promise<PushAnswer> {
  const { log } = parts
  const lacking = inWords(await settle(() => lackingVersions(parts, push)))
  if (!lacking.ok) await settle(() => log.note(lacking, null, true))
  const lacks = unwrap(lacking)
  if (mountKeeps === null || lacks.length > 0) return { lacks, next: null }
  const next = inWords(await settle(() => nextKey(parts, push, mountKeeps)))
  await settle(() => log.noteOffer(next))
  return { lacks, next: unwrap(next).id }
}

/** The versions to read, the current one first. @throws what a sync would be refused for. */
async function lackingVersions(parts: OfferParts, push: Push): Promise<readonly number[]> {
  const { keyring, ledger, clock, doubt, source, batch } = parts
  refuseUnlike(keyring, source, push, clock.now(), [])
  const draft = await ledger.draft(await ledger.load())
  const record = draft && believedStops(draft, clock.now(), doubt)
  const { observation, force, adopt } = push
  refuseOlder(keyring, source)(record, observation)
  return planSync({ keyring, record, source, observation, force, adopt, batch }).read
}

/**
 * Whether a new key may be written, by the record as it is now.
 * @returns its id, and the rotations left after it; `null` = none is due. @throws `ERR_ROTATION_REFUSED`.
 */
async function nextKey(
  { keyring, ledger, source, rules }: OfferParts,
  { observation }: Push,
  mountKeeps: number,
): Promise<{ id: string | null; left: number | null }> {
  if (source.kind === 'kv1') throw refusedRotation(keyring, KV1)
  const loaded = await ledger.load()
  if (loaded === null || observation === null)
    throw refusedRotation(keyring, { why: 'nothing was pushed yet', remedy: 'Push a first version.' })
  const { record } = loaded
  if (!isWanted(record, observation, rules)) return { id: null, left: null }
  const { prunesHeld } = rules
  refuseUnsafeWrite(record, observation, loaded.bytes.length, { mountKeeps, prunesHeld })
  return { id: newId(record), left: rotationsLeft(record, observation, { mountKeeps, prunesHeld }) - 1 }
}

/** Without a cadence whoever pushes decides; without an active key nobody can encrypt. */
function isWanted({ active }: KeyringRecord, observation: Observation, { cadence }: RotationRules): boolean {
  const since = writtenMs(observation)
  if (cadence === null || active === null) return true
  const next = since === null ? null : cadence.after(since)
  return next !== null && next <= observation.sourceMs
}

interface DeliverParts {
  readonly keyring: string
  readonly clock: Clock
  readonly cipher: Cipher
  readonly hash: Hash
}

/** What was delivered, as the source of one sync. @throws `ERR_REQUEST_INVALID` for what no source says. */
function delivered(
  { cipher, hash, clock, keyring }: DeliverParts,
  id: SourceId,
  push: Push,
  reads: readonly PlainRead[],
): Pick<SyncParts, 'source' | 'batch' | 'refuse'> {
  const handed = new Map(
    reads.map((read) => [read.version, read.kind === 'key' ? { ...read, key: new Secret(read.key) } : read]),
  )
  const source: KeySource = {
    id,
    async observe() {
      refuseUnlike(keyring, id, push, clock.now(), reads)
      return push.observation
    },
    async read(version) {
      const read = handed.get(version)
      if (read !== undefined) return materialOf(cipher, hash, read)
      throw new KeyringError(
        'ERR_SYNC_CONTENDED',
        `What was delivered to keyring "${keyring}" is not what it lacks now: version ${version} is missing.`,
        { facts: { keyring, version } },
      )
    },
  }
  // Whoever delivers nothing must lack nothing.
  return { source, batch: Math.max(1, reads.length), refuse: refuseOlder(keyring, id) }
}

/** Somebody who pushes another secret would make a keyring of that. */
function refuseUnlike(
  keyring: string,
  source: SourceId,
  { source: seen, observation }: Push,
  now: number,
  reads: readonly PlainRead[],
): void {
  const { kind, mount, path } = source
  if ((['kind', 'namespace', 'mount', 'path'] as const).some((field) => seen[field] !== source[field]))
    throw new KeyringError('ERR_SOURCE_CHANGED', `The keyring is one of ${mount}/${path}, and another secret came.`, {
      facts: { keyring, mount, path },
      remedy: 'Set KEYRING_VAULT_KV, …_NAMESPACE, …_MOUNT and …_PATH, or KEYRINGS, alike here and there.',
    })
  const odd = observation && oddity(kind, observation, reads, now)
  if (odd === null) return
  const [what, remedy] = odd
  throw new KeyringError('ERR_REQUEST_INVALID', `The ${what}.`, { facts: { keyring }, remedy })
}

/** A clock that somebody sets is wrong by hours. What is said to be made later than that would keep out what is true until then. */
const AHEAD_MS = 86_400_000

/**
 * As `kv2.ts` and `kv1.ts` show them: the last version is the current one, and between those of KV version 2 none is missing. It says
 * when secret and version were made: without the one nothing would be older, without the other no delay would hold.
 */
function oddity(
  kind: SourceId['kind'],
  observation: Observation,
  reads: readonly PlainRead[],
  now: number,
): readonly [what: string, remedy: string] | null {
  const { incarnation, current, sourceMs, versions } = observation
  const isKv2 = kind === 'kv2'
  const isSound =
    versions.every(({ version }, index) => {
      const before = versions[index - 1]?.version ?? 0
      return isKv2 && index > 0 ? version === before + 1 : version > before
    }) &&
    current <= MOST_VERSION[kind] &&
    current === (versions.at(-1)?.version ?? 0) &&
    isKv2 === (incarnation !== KV1_INCARNATION) &&
    (!isKv2 || current === 0 || writtenMs(observation) !== null)
  if (!isSound)
    return ['versions are not such as a source shows', 'Push with "edge-keyring push", straight from Vault.']
  const made = [...versions, ...reads].map((each) => ('createdMs' in each ? each.createdMs : 0))
  const isLate = [sourceMs, Date.parse(incarnation), ...made].some((time) => (time ?? 0) > now + AHEAD_MS)
  return isLate
    ? ["times are later than the deployment's clock", "Set the clock of Vault, or the deployment's, and push again."]
    : null
}

/** Vault's times of creation; KV version 1 has none. */
const refuseOlder =
  (keyring: string, { mount, path }: SourceId) =>
  (record: KeyringRecord | null, observation: Observation | null): void => {
    if (record === null || observation === null) return
    const { source, incarnation } = record
    if (source.mount !== mount || source.path !== path) return
    if (!(Date.parse(observation.incarnation) < Date.parse(incarnation))) return
    throw new KeyringError(
      'ERR_SOURCE_RECREATED',
      `The secret at ${mount}/${path} is an earlier one than was pushed before; the keyring stays as it is.`,
      {
        facts: { keyring, mount, path },
        remedy: 'Find out who pushes what is old; if that is right, make the secret again there.',
      },
    )
  }
