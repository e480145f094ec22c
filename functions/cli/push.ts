/**
 * `edge-keyring push`: reads the keyring where Vault is reached, with a login of its own, and hands over what the deployment lacks.
 *
 * Round by round: what there is now is offered, the deployment says which versions it lacks, those alone are read and delivered.
 * Nothing is kept here. With `--rotate` the deployment, which has the record, decides whether a key may be written, and under which
 * id; it is made here and written with check-and-set on the version that was offered. A crash, or an answer that got lost, leaves
 * nothing to be gone on with: the version is in Vault or it is not, and the next push sees which.
 */
import { nodeCipher, nodeHash } from '../node-shared/cipher.ts'
import { readTextFile } from '../node-shared/text-file.ts'
import { vaultFetch } from '../node-shared/vault-fetch.ts'
import { liveSettings, newWrappingKey } from '../node/local.ts'
import type { Pushing } from '../../src/app.ts'
import { openPushing } from '../../src/app.ts'
import { rare } from '../../src/rare.ts'
import type { Env } from '../../src/config/setting.ts'
import type { VaultsConfig } from '../../src/config/with-vaults.ts'
import { utf8 } from '../../src/core/bytes.ts'
import { systemClock } from '../../src/core/clock.ts'
import { MAX_REQUEST_BODY_BYTES, SYNC_DEADLINE_MS, VAULT_CONCURRENCY } from '../../src/core/limits.ts'
import type { Push } from '../../src/core/operations.ts'
import type { Observation, PairRead } from '../../src/core/ports.ts'
import { Secret } from '../../src/core/secret.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import type { KeyringClient, Synced } from './client.ts'
import type { Outcome } from './command.ts'
import type { PushedReferences } from './push-references.ts'
import { failed, failureOf, wrongSettings } from './failure.ts'
import { bothSynced, counted, noteLines } from './sync.ts'

interface Flags {
  readonly force: boolean
  readonly adopt: boolean
}

const PLAIN: Flags = { force: false, adopt: false }

export async function push(keyring: KeyringClient, env: Env, rotates: boolean, flags: Flags): Promise<Outcome> {
  const { pushing, config, close } = await open(keyring.name, env)
  try {
    // Neither half waits for the other, nor fails with it.
    const [keys, references] = await Promise.allSettled([
      pushOnce(keyring, pushing, rotates, flags),
      keyring.name === DEFAULT && hasReferences(config) ? withReferences(keyring, config) : null,
    ])
    if (keys.status === 'rejected') throw keys.reason
    if (references.status === 'rejected') throw references.reason
    return outcome(keys.value.handed, keys.value.rotation, references.value)
  } finally {
    await close()
  }
}

/** References are of no keyring, and go with this one. */
const DEFAULT = 'default'

const hasReferences = ({ vaults = [] }: VaultsConfig): boolean => vaults.some(({ listed }) => listed.length > 0)

const withReferences = async (keyring: KeyringClient, config: VaultsConfig): Promise<PushedReferences> =>
  (await import('./push-references.ts')).pushReferences(keyring, config)

type Deployment = Pick<KeyringClient, 'offer' | 'deliver'>

/** The steps alone, between any source and any deployment. */
export async function pushOnce(keyring: Deployment, pushing: Pushing, rotates: boolean, flags: Flags = PLAIN) {
  // A new key is what helps where none can be active.
  const taking: Deployment = rotates
    ? { offer: (...all) => keyring.offer(...all), deliver: (...all) => keyring.deliver(...all).catch(unlessUnusable) }
    : keyring
  const first = await handOver(taking, pushing, flags)
  const rotation = rotates ? await rotate(keyring, pushing, first) : null
  return { handed: rotation?.handed ? sum(first, rotation.handed) : first, rotation }
}

/** The keys were taken all the same. */
function unlessUnusable(error: unknown): Synced {
  if (failureOf(error)?.document['code'] !== 'ERR_ACTIVE_UNUSABLE') throw error
  return { changed: null, requests: null, remaining: 0, notes: [] }
}

/** Settings of a deployment may stand beside those of Vault; the first two are required of whoever stores something. */
const OF_DEPLOYMENT = /^(?:KONG_)?KEYRING_(?!VAULT_|VAULTS$|REFERENCES$|ROTATION_VAULT_)/

interface Opened {
  readonly pushing: Pushing
  readonly config: VaultsConfig
  readonly close: () => Promise<void>
}

async function open(name: string, given: Env): Promise<Opened> {
  const own = Object.entries(given).filter(([setting]) => !OF_DEPLOYMENT.test(setting))
  const env = { ...Object.fromEntries(own), KEYRING_TABLE: 'none', KEYRING_WRAPPING_KEYS: `push:${newWrappingKey()}` }
  const { parsed: read } = await liveSettings(env, 'lambda-sync')
  if (!read.ok) throw wrongSettings(read.problems)
  for (const notice of read.notices) console.error(`note: ${notice}`)
  const { config } = read
  if (config === null) throw wrongSettings([{ name: 'KEYRING_ENABLED', message: 'is off' }])
  const { vault, wrappingKeys } = config
  const way = vaultFetch(vault)
  const ports = { cipher: nodeCipher, hash: nodeHash, clock: systemClock, store: memoryStore(), fetch: way.fetch }
  const log = (line: string) => console.error(line)
  const pushing = openPushing({ vault, wrappingKeys }, { ...ports, rare, readFile: readTextFile, log }).get(name)
  if (pushing === undefined) throw wrongSettings([{ name: 'KEYRINGS', message: `has no keyring "${name}"` }])
  return { pushing, config, close: () => way.close() }
}

interface Handed {
  readonly observation: Observation | null
  /** The version that was current when all began. */
  readonly known: number
  readonly synced: Synced
  readonly versions: number
}

/** Versions that are read for one request. */
const BATCH = 100

/** What the flags accept is accepted by the first round. @param known versions that need not be read. */
async function handOver(
  keyring: Deployment,
  { source, pairs }: Pushing,
  flags: Flags,
  known: ReadonlyMap<number, PairRead> = new Map(),
): Promise<Handed> {
  let done: Handed | null = null
  for (let round = flags; ; round = PLAIN) {
    const observation = await pairs.observe(deadline())
    const push = { source, observation, ...round }
    const { lacks } = await keyring.offer(push, null)
    const reads = await readAll(pairs, lacks.slice(0, BATCH), known)
    const fitting = fittingReads(push, reads)
    const synced = await keyring.deliver(push, fitting)
    if (done !== null && synced.remaining >= done.synced.remaining)
      throw failed('ERR_SYNC_INCOMPLETE', `There are still ${counted(synced.remaining, 'version')} to push.`)
    const handed = { observation, known: observation?.current ?? 0, synced, versions: fitting.length }
    done = done === null ? handed : sum(done, handed)
    if (synced.remaining === 0) return done
    console.error(`    ${counted(synced.remaining, 'version')} still to push`)
  }
}

const sum = (a: Handed, b: Handed): Handed => ({
  observation: b.observation,
  known: a.known,
  synced: bothSynced(a.synced, b.synced),
  versions: a.versions + b.versions,
})

const deadline = () => AbortSignal.timeout(SYNC_DEADLINE_MS)

async function readAll(
  pairs: Pushing['pairs'],
  versions: readonly number[],
  known: ReadonlyMap<number, PairRead>,
): Promise<PairRead[]> {
  const [signal, reads] = [deadline(), new Map(known)]
  const queue = versions.filter((version) => !reads.has(version)).values()
  const worker = async () => {
    for (const version of queue) reads.set(version, await pairs.read(version, signal))
  }
  await Promise.all(Array.from({ length: VAULT_CONCURRENCY }, worker))
  return versions.flatMap((version) => reads.get(version) ?? [])
}

/** Bytes for the names of fields. */
const AROUND_BYTES = 1024
const bytesOf = (value: unknown): number => utf8(JSON.stringify(value)).length

/** The first ones, as many as one body takes; one that is too long goes alone, to be refused. */
function fittingReads(push: Push, reads: readonly PairRead[]): readonly PairRead[] {
  let room = MAX_REQUEST_BODY_BYTES - AROUND_BYTES - bytesOf(push)
  const over = reads.findIndex((read) => {
    room -= 1 + bytesOf(read.kind === 'key' ? { ...read, key: read.key.reveal() } : read)
    return room < 0
  })
  return over === -1 ? reads : reads.slice(0, Math.max(1, over))
}

interface Rotation {
  /** `null` = none was due, or somebody else was first. */
  readonly version: number | null
  readonly isDue: boolean
  /** What was handed over afterwards. */
  readonly handed: Handed | null
}

/** A version that came meanwhile is somebody else's rotation: of two that begin at once one writes. */
async function rotate(keyring: Deployment, pushing: Pushing, { observation, known }: Handed): Promise<Rotation> {
  const { source, sink } = pushing
  if (observation !== null && observation.current > known) return { version: null, isDue: true, handed: null }
  // The deployment refuses a source without check-and-set.
  const mountKeeps = sink === null ? 0 : await sink.keeps(deadline())
  const { next, lacks } = await keyring.offer({ source, observation, ...PLAIN }, mountKeeps)
  if (lacks.length > 0)
    throw failed('ERR_SYNC_INCOMPLETE', `There are still ${counted(lacks.length, 'version')} to push.`)
  if (next === null || sink === null || observation === null) return { version: null, isDue: false, handed: null }
  const key = new Secret(newWrappingKey())
  const written = await sink.write({ id: next, key }, observation.current, deadline())
  if (written === 'conflict') return { version: null, isDue: true, handed: await handOver(keyring, pushing, PLAIN) }
  const version = observation.current + 1
  const made = new Map<number, PairRead>([[version, { version, kind: 'key', id: next, key, ...written }]])
  return { version, isDue: true, handed: await handOver(keyring, pushing, PLAIN, made) }
}

function outcome(
  { synced, versions }: Handed,
  rotation: Rotation | null,
  references: PushedReferences | null,
): Outcome {
  const { changed, notes } = synced
  const rotated = rotation?.version ?? null
  const what = changed === null ? 'pushed' : changed ? 'changed' : 'nothing new'
  const lines = [
    `ok  ${what}, ${counted(versions, 'version')} handed over\n`,
    noteLines(notes),
    rotation === null ? '' : `${rotationLine(rotation)}\n`,
    ...(references === null ? [] : referenceLines(references)),
  ]
  const document = {
    changed,
    versions,
    notes,
    ...(rotation !== null && { rotated }),
    ...(references && { references }),
  }
  return { document, screen: lines.join(''), exit: references !== null && isWanting(references) ? 1 : 0 }
}

const isWanting = ({ older, failures }: PushedReferences): boolean => older > 0 || failures.length > 0

const referenceLines = ({ taken, older, failures }: PushedReferences): readonly string[] => [
  `ok  ${counted(taken, 'secret')} of references handed over\n`,
  ...(older > 0
    ? [`!   ${counted(older, 'secret')} not taken: there is what was read later. Do clocks differ?\n`]
    : []),
  ...failures.map((failure) => `!   KEYRING_REFERENCES, ${failure}\n`),
]

function rotationLine({ version, isDue }: Rotation): string {
  if (version !== null) return `ok  version ${version} was written`
  return isDue ? 'ok  the next version was written by somebody else' : 'ok  no rotation is due'
}
