/** Values in the caller's process: processor time of each, beside AES-256-GCM alone from text to text, on the same runtime in the same rounds. */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { nodeCipher, nodeHash } from '../functions/node-shared/cipher.ts'
import { nodeNonces } from '../functions/node-shared/nonces.ts'
import { utf8 } from '../src/core/bytes.ts'
import { systemClock } from '../src/core/clock.ts'
import type { NonceRules } from '../src/core/ports.ts'
import { Keyring } from '../src/keyring/keyring.ts'
import { MAX_RECORD_AGE_MS, PLAIN_SYNC, authorityOn, world, wrappingKey } from '../test/support/authority.ts'
import { startWorkerd } from '../test/support/workerd.ts'
import { cpuMs } from './child.ts'
import type { Options, Row } from './measure.ts'
import { median, rounded, tempFolder, wanted, withEnds } from './measure.ts'

const ROUNDS = 11
const CONTEXT = utf8('users.email')
const AAD = utf8('ek1 a users.email')
const LEAST_RATIO = 0.7
/** Decrypts a second under a beginning of nonces that was never seen. */
const LEAST_UNSEEN = 60_000
/** Of those more are made than a key keeps message keys. */
const UNSEEN = 2000

type Work = () => unknown

export async function benchValues({ seconds }: Options): Promise<Row[]> {
  const ms = (seconds * 1000) / ROUNDS
  const rows: Row[] = []
  for (const size of [32, 1024]) rows.push(...(await onNode(size, ms)))
  return [...rows, ...(await onWorkerd())]
}

async function keyringWith(nonces: NonceRules): Promise<Keyring> {
  const always = { freshMs: Number.MAX_SAFE_INTEGER, backgroundMs: Number.MAX_SAFE_INTEGER, pauseMs: 0 }
  const keyring = await Keyring.open('default', {
    authority: authorityOn(world(['abcdefgh:1'])),
    cipher: nodeCipher,
    hash: nodeHash,
    nonces,
    clock: systemClock,
    wrappingKeys: [wrappingKey('w1', 1)],
    replica: null,
    background: null,
    audit: { note: () => {} },
    freshness: always,
    ages: { stampMs: always.freshMs, recordMs: MAX_RECORD_AGE_MS },
    siblings: 1,
  })
  await keyring.sync(PLAIN_SYNC)
  return keyring
}

/** What the loops give, so that no work is left out. */
let seen = 0

/** A nonce from Node for each, a key object, one text out and one in: the least that somebody writes by hand for a column of text. */
function bareOnNode(text: string): { encrypt: Work; decrypt: Work } {
  const key = createSecretKey(randomBytes(32))
  const encrypt = (): string => {
    const nonce = randomBytes(12)
    const gcm = createCipheriv('aes-256-gcm', key, nonce)
    gcm.setAAD(AAD)
    const ciphertext = gcm.update(text, 'utf8')
    gcm.final()
    return Buffer.concat([nonce, ciphertext, gcm.getAuthTag()]).toString('base64url')
  }
  const stored = encrypt()
  return {
    encrypt: () => (seen += encrypt().length),
    decrypt() {
      const sealed = Buffer.from(stored, 'base64url')
      const gcm = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12), { authTagLength: 16 })
      gcm.setAAD(AAD)
      gcm.setAuthTag(sealed.subarray(sealed.length - 16))
      seen += gcm.update(sealed.subarray(12, sealed.length - 16)).length
      gcm.final()
    },
  }
}

async function onNode(size: number, ms: number): Promise<Row[]> {
  const text = 'x'.repeat(size)
  const [keyring, unlinkable] = [await keyringWith(nodeNonces), await keyringWith({ ...nodeNonces, unlinkable: true })]
  const sync = await keyring.synchronous()
  const bare = bareOnNode(text)
  const { ciphertext } = await keyring.encrypt(text, CONTEXT)
  const unseen: string[] = []
  for (let made = 0; made < UNSEEN; made += 1) unseen.push((await unlinkable.encrypt(text, CONTEXT)).ciphertext)
  let at = 0
  const costs = await rounds(
    {
      bareEncrypt: bare.encrypt,
      bareDecrypt: bare.decrypt,
      encrypt: () => keyring.encrypt(text, CONTEXT),
      decrypt: () => keyring.decrypt(ciphertext, CONTEXT),
      encryptSync: () => sync.encrypt(text, CONTEXT),
      decryptSync: () => sync.decrypt(ciphertext, CONTEXT),
      encryptUnlinkable: () => unlinkable.encrypt(text, CONTEXT),
      decryptUnseen: () => keyring.decrypt(unseen[(at = (at + 1) % UNSEEN)] ?? '', CONTEXT),
    },
    ms,
  )
  const row = (what: string, ours: readonly number[], bare: readonly number[]) =>
    rowOf(`Node, ${size} B: ${what}`, ours, bare)
  const perSecond = 1e6 / median(costs.decryptUnseen)
  return [
    row('encrypt', costs.encrypt, costs.bareEncrypt),
    row('decrypt', costs.decrypt, costs.bareDecrypt),
    row('encrypt, synchronous', costs.encryptSync, costs.bareEncrypt),
    row('decrypt, synchronous', costs.decryptSync, costs.bareDecrypt),
    { ...row('encrypt, unlinkable', costs.encryptUnlinkable, costs.bareEncrypt), wanted: '', met: '' },
    {
      ...row('decrypt, beginning never seen', costs.decryptUnseen, costs.bareDecrypt),
      ...wanted(`≥ ${LEAST_UNSEEN} a second of CPU`, perSecond >= LEAST_UNSEEN),
    },
  ]
}

/** Interleaved; the first round warms up. Microseconds of processor time for each call, by round. */
async function rounds<Name extends string>(works: Record<Name, Work>, ms: number): Promise<Record<Name, number[]>> {
  const names = Object.keys(works) as Name[]
  const costs = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, number[]>
  for (let round = 0; round <= ROUNDS; round += 1)
    for (const name of names) {
      const cost = await costOf(works[name], ms / names.length)
      if (round > 0) costs[name].push(cost)
    }
  return costs
}

async function costOf(work: Work, ms: number): Promise<number> {
  const [before, end] = [process.cpuUsage(), performance.now() + ms]
  let count = 0
  for (; performance.now() < end; count += 100)
    for (let call = 0; call < 100; call += 1) {
      const done = work()
      if (done instanceof Promise) await done
    }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / count
}

const BATCHES = 300

function onWorkerd(): Promise<Row[]> {
  return withEnds(async (onEnd) => {
    const entry = join(import.meta.dirname, 'values-worker.ts')
    const running = await startWorkerd(tempFolder(onEnd), [{ name: 'values', entry }])
    onEnd(() => running.kill())
    const cost = async (work: string): Promise<number> => {
      const before = cpuMs(running.process.pid)
      const response = await fetch(`${running.url('values')}/?batches=${BATCHES}&work=${encodeURIComponent(work)}`)
      if (!response.ok) throw new Error(`${work} answered ${response.status}`)
      await response.text()
      return ((cpuMs(running.process.pid) - before) * 1000) / (BATCHES * 100)
    }
    const costs = new Map<string, number[]>()
    for (let round = 0; round <= ROUNDS; round += 1)
      for (const work of ['encrypt', 'bare encrypt', 'decrypt', 'bare decrypt']) {
        const one = await cost(work)
        if (round > 0) costs.set(work, [...(costs.get(work) ?? []), one])
      }
    return ['encrypt', 'decrypt'].map((work) =>
      rowOf(`workerd, 32 B, of 100: ${work}`, costs.get(work) ?? [], costs.get(`bare ${work}`) ?? []),
    )
  })
}

/** The ratio is the median of the rounds'. */
function rowOf(what: string, ours: readonly number[], bare: readonly number[]): Row {
  const ratio = median(ours.map((cost, round) => (bare[round] ?? Number.NaN) / cost))
  return {
    what,
    'cpu µs': rounded(median(ours), 2),
    'bare cpu µs': rounded(median(bare), 2),
    ratio: rounded(ratio, 2),
    ...wanted(`ratio ≥ ${LEAST_RATIO}`, ratio >= LEAST_RATIO),
  }
}
