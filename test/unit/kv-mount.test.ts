/** A secret that a KV engine does not have: one request, and the mount is looked at once in a while, because the other version says the same. */
import { expect, it } from 'vitest'
import { KeyringError, settle } from '../../src/core/errors.ts'
import { kvBackend } from '../../src/vault/kv/secret.ts'
import type { VaultReply } from '../../src/vault/wire/transport.ts'
import { NOW } from '../support/observed.ts'

const NOTHING = { errors: [] }
/** What version 2 says to a path of version 1. */
const WARNED = { errors: [], warnings: ['Invalid path for a versioned K/V secrets engine.'] }

/** A mount that has nothing. */
function emptyMount(kv: 'v1' | 'v2', mountVersion: '1' | '2') {
  const on = { time: NOW, version: mountVersion, asked: 0, looked: 0, isSeen: true, isDenied: false }
  const reply = (status: VaultReply['status'], body: object): VaultReply => ({ status, body, serverTime: on.time })
  const nobody = () => expect.unreachable('It is no write.')
  const backend = kvBackend({
    kv,
    address: 'https://vault.example',
    mount: 'secret',
    clock: { now: () => on.time },
    spelt: (remedy) => remedy,
    reader: () => ({
      async get() {
        on.asked += 1
        if (on.isDenied) throw new KeyringError('ERR_VAULT_DENIED', 'No.', { facts: { denied: 'policy' } })
        return reply(404, kv === 'v1' && on.version === '2' ? WARNED : NOTHING)
      },
      async probe() {
        on.looked += 1
        return on.isSeen ? reply(200, { data: { type: 'kv', options: { version: on.version } } }) : reply(404, NOTHING)
      },
      post: nobody,
      write: nobody,
    }),
  })
  const read = async (resource: string): Promise<string> => {
    const how = { insist: 'outage', signal: new AbortController().signal } as const
    const answer = await settle(() => backend.read({ resource, version: null }, how))
    return answer.ok ? answer.value.kind : answer.error.code
  }
  /** What many reads come to, ten at a time. */
  const reads = async () => {
    const all = []
    for (let round = 0; round < 10; round += 1)
      all.push(...(await Promise.all(Array.from({ length: 10 }, (_, at) => read(`s${round}-${at}`)))))
    return [...new Set(all)]
  }
  return { on, reads }
}

it.each(['v1', 'v2'] as const)(
  '%s: names that are not there cost one request each, and one look a minute',
  async (kv) => {
    const { on, reads } = emptyMount(kv, kv === 'v1' ? '1' : '2')
    expect(await reads()).toEqual(['absent'])
    expect(on).toMatchObject({ asked: 100, looked: 1 })
    on.time += 59_999
    await reads()
    expect(on.looked).toBe(1)
    on.time += 1
    await reads()
    expect(on).toMatchObject({ asked: 300, looked: 2 })
  },
)

it.each([
  ['v1', '2'],
  ['v2', '1'],
] as const)('%s on a mount of version %s says so each time, and looks once a minute', async (kv, version) => {
  const { on, reads } = emptyMount(kv, version)
  expect(await reads()).toEqual(['ERR_VAULT_KV_VERSION'])
  expect(on).toMatchObject({ asked: 100, looked: 1 })
  on.version = kv === 'v1' ? '1' : '2'
  on.time += 60_000
  expect(await reads()).toEqual(['absent'])
})

it('a mount that becomes version 2 takes no secret from version 1, also within the minute', async () => {
  const { on, reads } = emptyMount('v1', '1')
  expect(await reads()).toEqual(['absent'])
  on.version = '2'
  expect(await reads()).toEqual(['ERR_VAULT_KV_VERSION'])
  expect(on.looked).toBe(2)
})

it('a mount that is not to be seen is not asked about for each name either', async () => {
  const { on, reads } = emptyMount('v2', '2')
  on.isSeen = false
  expect(await reads()).toEqual(['absent'])
  expect(on.looked).toBe(1)
})

it('a policy for the paths of the other version says that it is the other version, and no more than that asks twice', async () => {
  const { on, reads } = emptyMount('v1', '2')
  on.isDenied = true
  expect(await reads()).toEqual(['ERR_VAULT_KV_VERSION'])
  expect(on).toMatchObject({ asked: 100, looked: 1 })
  const right = emptyMount('v2', '2')
  right.on.isDenied = true
  expect(await right.reads()).toEqual(['forbidden'])
  expect(right.on).toMatchObject({ asked: 100, looked: 1 })
})
