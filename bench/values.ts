/** The library's values, with its audit sink on: processor time of each, beside AES-256-GCM alone from text to text, on the same runtime in the same rounds. */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { testKeyring } from '../functions/node-shared/testing.ts'
import { utf8 } from '../src/core/bytes.ts'
import { startWorkerd } from '../test/support/workerd.ts'
import type { Cost, Work } from './calls.ts'
import { costsOf } from './calls.ts'
import { cpuMs } from './child.ts'
import type { Options, Row } from './measure.ts'
import { median, rounded, tempFolder, wanted, withEnds } from './measure.ts'

const ROUNDS = 7
/** Of each turn, for one second that is asked for. */
const TURN_MS = 200
const CONTEXT = utf8('users.email')
const AAD = utf8('ek1 a users.email')
const LEAST_RATIO = 0.7
/** Decrypts a second under a beginning of nonces that was never seen. */
const LEAST_UNSEEN = 60_000
/** Of those more are made than a key keeps message keys. */
const UNSEEN = 2000

export async function benchValues({ seconds }: Options): Promise<Row[]> {
  const ms = seconds * TURN_MS
  const rows: Row[] = []
  for (const size of [32, 1024]) rows.push(...(await onNode(size, ms)))
  return [...rows, ...(await onWorkerd())]
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
  const audit = () => (seen += 1)
  const [keyring, unlinkable] = [await testKeyring({ audit }), await testKeyring({ audit, unlinkable: true })]
  const bare = bareOnNode(text)
  const { ciphertext } = await keyring.encrypt(text, CONTEXT)
  const unseen: string[] = []
  for (let made = 0; made < UNSEEN; made += 1) unseen.push((await unlinkable.encrypt(text, CONTEXT)).ciphertext)
  let at = 0
  const costs = await costsOf(
    {
      bareEncrypt: bare.encrypt,
      bareDecrypt: bare.decrypt,
      encrypt: () => keyring.encrypt(text, CONTEXT),
      decrypt: () => keyring.decrypt(ciphertext, CONTEXT),
      encryptSync: () => keyring.sync.encrypt(text, CONTEXT),
      decryptSync: () => keyring.sync.decrypt(ciphertext, CONTEXT),
      encryptUnlinkable: () => unlinkable.encrypt(text, CONTEXT),
      decryptUnseen: () => unlinkable.decrypt(unseen[(at = (at + 1) % UNSEEN)] ?? '', CONTEXT),
    },
    { rounds: ROUNDS, ms },
  )
  const cpu = (costs: readonly Cost[]) => costs.map(({ cpuUs }) => cpuUs)
  const row = (what: string, ours: readonly Cost[], bare: readonly Cost[]) =>
    rowOf(`Node, ${size} B: ${what}`, cpu(ours), cpu(bare))
  const perSecond = 1e6 / median(cpu(costs.decryptUnseen))
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
