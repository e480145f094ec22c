/** KV reads over TLS with an authority set, one after the other, beside node-vault: interleaved rounds, the median of their ratios. */
import nodeVault from 'node-vault'
import { systemClock } from '../src/core/clock.ts'
import { vaultFetch } from '../functions/node-shared/vault-fetch.ts'
import { vaultTransport } from '../src/vault/wire/transport.ts'
import { configOf, keyString } from '../test/support/syncing.ts'
import { tcpProxy } from '../test/support/tcp-proxy.ts'
import type { TlsVault } from '../test/support/tls-vault.ts'
import { startTlsVault } from '../test/support/tls-vault.ts'
import { vaultClient } from '../test/support/vault.ts'
import { findOpenBao } from '../test/vault/openbao.ts'
import type { Options, Row } from './measure.ts'
import { median, rounded, wanted, withEnds } from './measure.ts'

const ROUNDS = 7
const MIN_RATIO = 2.5
const COUNTED_READS = 50
const PATH = 'keyring'

/** One read of the secret; resolves with the id in it. */
type Read = () => Promise<string>
type OnEnd = (end: () => unknown) => void
type Contender = (vault: TlsVault, address: string, onEnd: OnEnd) => Read

/** The parsed body of the answer, as both return it. */
interface Secret {
  readonly data: { readonly data: { readonly id: string } }
}

interface Rates {
  readonly ours: number
  readonly theirs: number
}

export function benchTls({ seconds }: Options): Promise<Row[]> {
  return withEnds(async (onEnd) => {
    const vault = await startTlsVault(await findOpenBao())
    onEnd(() => vault.close())
    const secrets = await vaultClient(vault.address.plain, vault.token).mount('secret')
    await secrets.write(PATH, { id: 'a', key: keyString('a') })
    const [us, them] = [ours(vault, vault.address.good, onEnd), theirs(vault, vault.address.good)]
    const once = async (ms: number): Promise<Rates> => ({
      ours: await perSecond(us, ms),
      theirs: await perSecond(them, ms),
    })
    await once(1000)
    const rounds: Rates[] = []
    for (let round = 0; round < ROUNDS; round += 1) rounds.push(await once((seconds * 1000) / 2))
    const counted = { ours: await connections(vault, ours), theirs: await connections(vault, theirs) }
    return [summary(rounds, counted)]
  })
}

/** Counts the connections of a number of reads, at a proxy. */
function connections(vault: TlsVault, contender: Contender): Promise<number> {
  return withEnds(async (onEnd) => {
    const proxy = await tcpProxy(vault.port.good)
    onEnd(() => proxy.close())
    const read = contender(vault, `https://localhost:${proxy.port}`, onEnd)
    for (let count = 0; count < COUNTED_READS; count += 1) await read()
    return proxy.connections
  })
}

function ours(vault: TlsVault, address: string, onEnd: OnEnd): Read {
  const settings = {
    KEYRING_VAULT_HOST: address,
    KEYRING_VAULT_TOKEN: vault.token,
    KEYRING_VAULT_CACERT: `${vault.folder}/ca.pem`,
  }
  const config = configOf(settings).vault
  if (config === null) throw new Error('There is a Vault in the settings.')
  const client = vaultFetch(config)
  onEnd(() => client.close())
  const transport = vaultTransport({ ...config, clock: systemClock, fetch: (request) => client.fetch(request) })
  const { signal } = new AbortController()
  return async () => {
    const { body } = await transport.get({ segments: ['secret', 'data', PATH], token: vault.token, signal })
    return (body as Secret).data.data.id
  }
}

function theirs(vault: TlsVault, endpoint: string): Read {
  const client = nodeVault({ endpoint, token: vault.token, requestOptions: { ca: vault.root.cert } })
  return async () => {
    const { data } = (await client.read(`secret/data/${PATH}`)) as Secret
    return data.data.id
  }
}

async function perSecond(read: Read, forMs: number): Promise<number> {
  const began = performance.now()
  let count = 0
  while (performance.now() - began < forMs) {
    if ((await read()) !== 'a') throw new Error('A read went wrong.')
    count += 1
  }
  return (count * 1000) / (performance.now() - began)
}

function summary(rounds: readonly Rates[], connections: Rates): Row {
  const ratio = median(rounds.map((round) => round.ours / round.theirs))
  return {
    'reads/s': Math.round(median(rounds.map((round) => round.ours))),
    'node-vault reads/s': Math.round(median(rounds.map((round) => round.theirs))),
    [`connections for ${COUNTED_READS}`]: `${connections.ours}, ${connections.theirs}`,
    'ratio per round': rounds.map((round) => (round.ours / round.theirs).toFixed(2)).join(' '),
    ratio: rounded(ratio, 2),
    ...wanted(`ratio ≥ ${MIN_RATIO}`, ratio >= MIN_RATIO),
  }
}
