/** The library, with its audit sink on, beside what else encrypts a field in a program: text in, text out, the same bytes bound to it. */
import {
  AlgorithmSuiteIdentifier,
  CommitmentPolicy,
  NodeCachingMaterialsManager,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
  buildClient,
  getLocalCryptographicMaterialsCache,
} from '@aws-crypto/client-node'
import { randomBytes } from 'node:crypto'
import { CompactEncrypt, compactDecrypt } from 'jose'
import nodeVault from 'node-vault'
import { testKeyring } from '../functions/node-shared/testing.ts'
import type { Cost, Work } from './calls.ts'
import { costsOf } from './calls.ts'
import type { Options, Row } from './measure.ts'
import { median, rounded, wanted, withEnds } from './measure.ts'
import type { Transit } from './openbao.ts'
import { ASSOCIATED, startTransit } from './openbao.ts'
import { CONTEXT, plaintexts } from './requests.ts'

const ROUNDS = 9
/** Of each turn, for one second that is asked for. */
const TURN_MS = 200
const [TEXT = ''] = plaintexts(null)
/** As long and for as many messages as ours keeps a message key. */
const KEPT = { maxAge: 600_000, maxMessagesEncrypted: 65_536 }

/** Both give texts. */
interface Peer {
  readonly encrypt: () => Promise<string>
  readonly decrypt: (ciphertext: string) => Promise<string>
}

export function benchPeers({ seconds }: Options): Promise<Row[]> {
  return withEnds(async (onEnd) => {
    const { ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY: unsigned } = AlgorithmSuiteIdentifier
    const peers: Readonly<Record<string, Peer & { readonly goal: number }>> = {
      ours: { ...(await library()), goal: 1 },
      "node-vault's Transit, root token": { ...transit(await startTransit(onEnd)), goal: 100 },
      'jose, dir, A256GCM': { ...jose(), goal: 5 },
      'AWS Encryption SDK, caching, committing suite without signature': { ...encryptionSdk(unsigned), goal: 40 },
      'AWS Encryption SDK, caching, default suite': { ...encryptionSdk(), goal: 100 },
    }
    const options = { rounds: ROUNDS, ms: seconds * TURN_MS }
    const rows: Row[] = []
    for (const action of ['encrypt', 'decrypt'] as const) {
      const works = await Promise.all(
        Object.entries(peers).map(async ([name, peer]) => [name, await workOf(peer, action)] as const),
      )
      const { ours = [], ...costs } = await costsOf<string>(Object.fromEntries(works), options)
      for (const [beside, theirs] of Object.entries(costs))
        rows.push(rowOf(action, beside, { ours, theirs }, peers[beside]?.goal ?? Number.NaN))
    }
    return rows
  })
}

async function workOf({ encrypt, decrypt }: Peer, action: 'encrypt' | 'decrypt'): Promise<Work> {
  const ciphertext = await encrypt()
  if ((await decrypt(ciphertext)) !== TEXT) throw new Error('What was encrypted is not what was decrypted.')
  return action === 'encrypt' ? encrypt : () => decrypt(ciphertext)
}

interface Rounds {
  readonly ours: readonly Cost[]
  readonly theirs: readonly Cost[]
}

/** Times as many calls a second, one after another. */
function rowOf(action: string, beside: string, { ours, theirs }: Rounds, goal: number): Row {
  const of = (costs: readonly Cost[], figure: keyof Cost) => rounded(median(costs.map((cost) => cost[figure])), 1)
  const times = (figure: keyof Cost) =>
    median(theirs.map((cost, round) => cost[figure] / (ours[round]?.[figure] ?? Number.NaN)))
  return {
    call: action,
    beside,
    µs: of(ours, 'us'),
    'their µs': of(theirs, 'us'),
    'cpu µs': of(ours, 'cpuUs'),
    'their cpu µs': of(theirs, 'cpuUs'),
    times: rounded(times('us'), 1),
    'times, cpu': rounded(times('cpuUs'), 1),
    ...wanted(`times ≥ ${goal}`, times('us') >= goal),
  }
}

async function library(): Promise<Peer> {
  let noted = 0
  const keyring = await testKeyring({ audit: () => (noted += 1) })
  return {
    encrypt: async () => (await keyring.encrypt(TEXT, CONTEXT)).ciphertext,
    decrypt: async (ciphertext) => (await keyring.decrypt(ciphertext, CONTEXT)).text,
  }
}

function transit({ bao, tokens }: Transit): Peer {
  const client = nodeVault({ endpoint: bao.address, token: tokens.root })
  return {
    async encrypt() {
      const plaintext = Buffer.from(TEXT).toString('base64')
      const { data } = (await client.encryptData({ name: 'bench', plaintext, ...ASSOCIATED })) as Answer
      return data.ciphertext
    },
    async decrypt(ciphertext) {
      const { data } = (await client.decryptData({ name: 'bench', ciphertext, ...ASSOCIATED })) as Answer
      return Buffer.from(data.plaintext, 'base64').toString()
    },
  }
}

interface Answer {
  readonly data: { readonly ciphertext: string; readonly plaintext: string }
}

/** A compact JWE has no other place for what is bound than its header. */
function jose(): Peer {
  const key = randomBytes(32)
  const header = { alg: 'dir', enc: 'A256GCM', kid: 'bench', context: CONTEXT }
  const [encoder, decoder] = [new TextEncoder(), new TextDecoder()]
  return {
    encrypt: () => new CompactEncrypt(encoder.encode(TEXT)).setProtectedHeader(header).encrypt(key),
    decrypt: async (ciphertext) => decoder.decode((await compactDecrypt(ciphertext, key)).plaintext),
  }
}

/** @param suiteId absent = the default, which commits to the key and signs with ECDSA on P-384. */
function encryptionSdk(suiteId?: AlgorithmSuiteIdentifier): Peer {
  const client = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
  const backingMaterials = new RawAesKeyringNode({
    keyName: 'bench',
    keyNamespace: 'bench',
    unencryptedMasterKey: new Uint8Array(randomBytes(32)),
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  })
  const cache = getLocalCryptographicMaterialsCache(1000)
  const materials = new NodeCachingMaterialsManager({ backingMaterials, cache, ...KEPT })
  const options = { ...(suiteId !== undefined && { suiteId }), encryptionContext: { context: CONTEXT } }
  return {
    encrypt: async () => (await client.encrypt(materials, TEXT, options)).result.toString('base64url'),
    async decrypt(ciphertext) {
      const { plaintext, messageHeader } = await client.decrypt(materials, Buffer.from(ciphertext, 'base64url'))
      if (messageHeader.encryptionContext['context'] !== CONTEXT) throw new Error('It is bound to something else.')
      return plaintext.toString()
    },
  }
}
