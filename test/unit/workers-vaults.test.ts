/** Vaults behind references as a Worker's bindings give them: what is taken, by which way each is asked, and what a plan allows. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { readBindings } from '../../functions/cloudflare/bindings.ts'
import { openWorkersVaults } from '../../functions/cloudflare/vaults.ts'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { systemClock } from '../../src/core/clock.ts'
import { itemSealer, secretsOf } from '../../src/crypto/seal-item.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { rare } from '../../src/rare.ts'
import { memoryItems } from '../../src/secrets/memory-items.ts'
import { openState } from '../../src/secrets/state.ts'
import { settingsOf } from '../support/settings.ts'

const OWN = 'https://vault.example:8200'
const hcv = (prefix: string, host: string) => ({
  name: 'hcv',
  prefix,
  config: { protocol: 'https', host, port: 8200, kv: 'v2', token: 't', ttl: 60 },
})
const BINDINGS = settingsOf(OWN, 'ek_of_no_importance')
const withVaults = (...vaults: readonly object[]) => ({ ...BINDINGS, KEYRING_VAULTS: JSON.stringify(vaults) })

function right(bindings: object) {
  const parsed = readBindings(bindings)
  if (!parsed.ok || parsed.config === null) throw new Error(JSON.stringify(parsed))
  return { config: parsed.config, notices: parsed.notices }
}

/** What the object would say of secrets, opened. */
function asking(bindings: object) {
  const { config } = right(bindings)
  const ports = { cipher: nodeCipher, hash: nodeHash, clock: systemClock, log: () => {}, loadRare: () => rare }
  const vaults = openWorkersVaults(
    config,
    bindings,
    {},
    {
      ...ports,
      store: memoryStore(),
      items: memoryItems(() => Date.now()),
      loadRare: () => rare,
      replica: null,
    },
  )
  return async (vault: string, ...resources: readonly string[]) => {
    const secrets = resources.map((resource) => ({ resource, version: null }))
    const answer = await vaults?.call({ call: 'resolve', vault, secrets, refresh: false })
    if (!answer?.ok) return expect.unreachable('It is refused.')
    const sealer = await itemSealer(nodeCipher, nodeHash, config.wrappingKeys, secretsOf(vault))
    const identity = config.vaults?.find(({ prefix }) => prefix === vault)?.identity ?? ''
    return Promise.all(
      answer.value.map(async (bytes, at) => {
        const [name = ''] = await sealer.fingerprints(JSON.stringify([identity, resources[at], null]))
        const { found, failing } = await openState(sealer, name, bytes)
        return failing?.error.code ?? found?.kind
      }),
    )
  }
}

const secret = () =>
  Response.json({
    data: {
      data: { a: 'b' },
      metadata: { version: 1, created_time: '2026-01-01T00:00:00Z', deletion_time: '', destroyed: false },
    },
  })
/** The platform's own fetch. */
function platform(answer: (url: string) => Response = secret) {
  const urls: string[] = []
  vi.stubGlobal('fetch', async (request: Request) => {
    urls.push(request.url)
    return answer(request.url)
  })
  return urls
}
afterEach(() => void vi.unstubAllGlobals())

describe('vaults of a Worker', () => {
  it('are those of the settings; what is wrong with one stops it alone, and is told', () => {
    const { config, notices } = right({
      ...withVaults(
        hcv('good', 'vault.example'),
        { name: 'hcv', prefix: 'bad', config: { port: 'x' } },
        { name: 'fs', prefix: 'files' },
      ),
      KONG_VAULT_AWS_REGION: 'eu-west-1',
    })
    expect(config.vaults?.map(({ prefix }) => prefix)).toEqual(['good'])
    for (const name of ['vaults.bad', 'vaults.files', 'aws'])
      expect(notices).toContainEqual(expect.stringMatching(new RegExp(`^not used: .*${name}`, 'i')))
  })

  it('have no environment that has no part set aside', () => {
    expect(right({ ...BINDINGS, KONG_VAULT_ENV_TTL: '60' }).config.vaults).toEqual([])
    expect(right({ ...BINDINGS, KONG_VAULT_ENV_PREFIX: 'APP_' }).config.vaults).toHaveLength(1)
  })

  it("are asked by the binding where it is the origin of the keyring's own Vault, and by the platform's fetch elsewhere", async () => {
    const urls = platform()
    const carried: string[] = []
    const KEYRING_VAULT_VPC = {
      fetch: async ({ url }: Request) => (carried.push(url), secret()),
    }
    const ask = asking({
      ...withVaults(hcv('same', 'vault.example'), hcv('other', 'other.example')),
      KEYRING_VAULT_VPC,
    })
    expect([await ask('same', 'x'), await ask('other', 'x')]).toEqual([['secret'], ['secret']])
    expect(carried).toEqual([`${OWN}/v1/secret/data/x`])
    expect(urls).toEqual(['https://other.example:8200/v1/secret/data/x'])
  })

  it('say of what the plan lets no call ask any more that it may be asked for again, and keep the rest', async () => {
    let left = 2
    platform(() => {
      left -= 1
      if (left < 0) throw new Error('Too many subrequests.')
      return secret()
    })
    const ask = asking(withVaults(hcv('hcv-prod', 'vault.example')))
    const said = await ask('hcv-prod', 'a', 'b', 'c', 'd')
    expect(said.filter((one) => one === 'secret')).toHaveLength(2)
    expect(said.filter((one) => one === 'ERR_RATE_LIMITED')).toHaveLength(2)
  })
})
