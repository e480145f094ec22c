/** A keyring goes from one platform to another as what export prints, with the same wrapping keys and without Vault. */
import { afterEach, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import { vaultClient } from '../support/vault.ts'
import type { Deployment } from './driver.ts'
import { startNode, startWorker } from './driver.ts'
import { startLambda } from './lambda-driver.ts'
import { settingsOf } from '../support/settings.ts'

const TOKEN = 'ek_of_who_carries_a_keyring'
const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop()
})

const settings = (address: string) => settingsOf(address, TOKEN)

async function open(starting: Promise<Deployment>) {
  const deployment = await starting
  stops.push(() => deployment.stop())
  const send = (method: string, path: string, body?: BodyInit) =>
    fetch(deployment.url + path, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body }),
    })
  const json = async (path: string, body: object): Promise<Record<string, unknown>> =>
    (await (await send('POST', `/keyrings/default/${path}`, JSON.stringify(body))).json()) as Record<string, unknown>
  return {
    json,
    post: async (path: string, body: object) =>
      (await send('POST', `/keyrings/default/${path}`, JSON.stringify(body))).status,
    exported: async () => (await send('GET', '/keyrings/default/export')).arrayBuffer(),
    imported: async (record: ArrayBuffer) => (await send('POST', '/keyrings/default/import', record)).json(),
    keys: async () => {
      const { keys } = (await (await send('GET', '/keyrings/default')).json()) as { keys: Record<string, unknown>[] }
      return keys.map(({ id, state, source }) => [id, state, source])
    },
  }
}

it('from SQLite to a Durable Object and on to DynamoDB: pruned, compromised and removed keys are what they were', async () => {
  const vault = await startDevVault({ port: 0, dataFile: null })
  stops.push(() => vault.close())
  const secrets = vaultClient(vault.address, 'root')
  const node = await open(startNode(settings(vault.address)))
  await secrets.configure('keyring', { max_versions: 3 })
  const values: Record<string, unknown> = {}
  for (const id of ['pruned01', 'removed2', 'leaked03', 'active04']) {
    await secrets.write('keyring', { id, key: `${id}: some key material of no importance 0123456789` })
    expect(await node.post('sync', {})).toBe(204)
    values[id] = (await node.json('encrypt', { plaintext: `by ${id}`, context: 'carried' }))['ciphertext']
  }
  expect(await node.post('remove', { id: 'removed2', force: true })).toBe(204)
  expect(await node.post('compromise', { id: 'leaked03' })).toBe(204)
  await vault.close()

  const expected = [
    ['pruned01', 'deactivated', 'pruned'],
    ['leaked03', 'compromised', 'present'],
    ['active04', 'active', 'present'],
  ]
  expect(await node.keys()).toEqual(expected)
  let record = await node.exported()
  for (const start of [startWorker, startLambda]) {
    const there = await open(start(settings(vault.address)))
    expect(await there.imported(record)).toEqual({
      added: ['pruned01', 'leaked03', 'active04'],
      removed: [],
      active: 'active04',
    })
    expect(await there.keys()).toEqual(expected)
    for (const [id, ciphertext] of Object.entries(values))
      expect(await there.json('decrypt', { ciphertext, context: 'carried' })).toMatchObject(
        id === 'removed2' ? { code: 'ERR_KEY_NOT_FOUND' } : { plaintext: `by ${id}`, key_id: id },
      )
    expect(await there.json('encrypt', { plaintext: 'x' })).toMatchObject({ key_id: 'active04' })
    record = await there.exported()
  }
})
