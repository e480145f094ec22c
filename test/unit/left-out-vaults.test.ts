/** A vault that is set and not used because of its settings: callers hear that it is so, and nothing of what is wrong. */
import { expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { readEntities } from '../../src/config/entities.ts'
import type { EntitySettings } from '../../src/config/entities.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import { openKeepers, openVaults } from '../../src/vaults.ts'
import { wrappingKey } from '../support/authority.ts'
import { httpOn } from '../support/http.ts'
import { NOW } from '../support/observed.ts'
import { vaultsPorts } from '../support/vaults.ts'

const CANARY = 'hvs.canary-of-a-token'
const BROKEN = { name: 'hcv', prefix: 'wrong', config: { ttl: 1, token: CANARY } }
const RIGHT = { name: 'hcv', prefix: 'right', config: { token: CANARY } }
const config = { wrappingKeys: [wrappingKey('w1', 1)] }
const clock = { now: () => NOW, sleep: async () => {} }
const primitives = { cipher: nodeCipher, hash: nodeHash, clock }
const LEFT_OUT = {
  code: 'ERR_REFERENCE_VAULT_UNKNOWN',
  message: 'The vault "wrong" is not used because of its settings.',
  remedy: expect.stringMatching(/status.*log.*edge-keyring check/),
}

const readAs = (...vaults: readonly object[]) => readEntities({ KEYRING_VAULTS: JSON.stringify(vaults) }, 'node')

/** What asks vaults. Here it may know more of their settings than what answers callers. */
function keepersOf({ entities, broken }: Pick<ReturnType<typeof readAs>, 'entities' | 'broken'>) {
  const nothing = () => expect.unreachable('No vault is asked.')
  const ports = vaultsPorts(clock, { fetchOf: () => nothing, openOther: nothing })
  return openKeepers(entities, { ...config, brokenVaults: broken }, ports)
}

function fetchOn(entities: readonly EntitySettings[], given: ReturnType<typeof readAs>) {
  const keepers = keepersOf(given)
  const authority = distantAuthority(async (message) => ('vault' in message ? keepers.call(message) : null))
  const vaults = openVaults(entities, config, { ...primitives, authority, broken: given.broken, freshMs: 0 })
  const { fetch } = httpOn({
    authenticate: () => ({ name: 'test', grants: new Set(['admin']) }),
    keyring: () => expect.unreachable('No keyring is needed.'),
    vaults,
    audit: { note: () => {}, commit: async () => {} },
    clock,
  })
  return async (path: string, body?: object) => {
    const headers = { authorization: 'Bearer x', 'content-type': 'application/json' }
    const sent = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
    const response = await fetch(new Request(`http://localhost${path}`, { headers, ...sent }))
    const text = await response.text()
    expect(text).not.toContain(CANARY)
    return JSON.parse(text) as unknown
  }
}

it.each([
  ['beside another', [BROKEN, RIGHT]],
  ['alone', [BROKEN]],
])('it is named as such to whoever resolves, looks at it or pushes: %s', async (_name, vaults) => {
  const given = readAs(...vaults)
  const ask = fetchOn(given.entities, given)
  const references = ['{vault://wrong/password/a}', '{vault://nowhere/password/a}']
  expect(await ask('/secrets/resolve', { references })).toMatchObject({
    secrets: [{ error: LEFT_OUT }, { error: { message: 'There is no vault "nowhere".' } }],
  })
  expect(await ask('/vaults/wrong')).toMatchObject({ code: LEFT_OUT.code, detail: LEFT_OUT.message })
  expect(await ask('/vaults/nowhere')).toMatchObject({ detail: 'There is no vault of that prefix.' })
  const secret = { resource: 'password', version: null, found: 'absent', text: '', at: NOW }
  expect(await ask('/secrets/push', { vault: 'wrong', source: 's', secrets: [secret] })).toMatchObject({
    detail: LEFT_OUT.message,
  })
})

it('it is named as such where only what asks vaults reads the settings that are wrong', async () => {
  const right = readAs({ ...BROKEN, config: { token: CANARY } })
  const ask = fetchOn(right.entities, { ...readAs(BROKEN) })
  expect(await ask('/secrets/resolve', { references: ['{vault://wrong/password/a}'] })).toMatchObject({
    secrets: [{ error: LEFT_OUT }],
  })
})
