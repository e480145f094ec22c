/** A server whose way to Vault is broken, as a defect of ours would break it: it serves, and says that it is a defect. */
import { createRequire } from 'node:module'
import { expect, it, onTestFinished } from 'vitest'
import { startNode } from '../conformance/driver.ts'
import { settingsOf } from '../support/settings.ts'

const TOKEN = 'ek_of_no_importance'
const UNDICI = createRequire(import.meta.url).resolve('undici')
const BROKEN = `data:text/javascript,process.getBuiltinModule("module").createRequire("${UNDICI}")("${UNDICI}").request = () => { throw new TypeError(["can", "ary"].join("")) }`

it('a defect on the way to Vault ends no server, and is no outage', async () => {
  const node = await startNode({
    NODE_OPTIONS: `--import="${BROKEN.replaceAll('"', '\\"')}"`,
    ...settingsOf('http://127.0.0.1:8200', TOKEN),
  })
  onTestFinished(() => node.stop())
  const ask = async (method: string, path: string) => {
    const response = await fetch(node.url + path, { method, headers: { authorization: `Bearer ${TOKEN}` } })
    return { status: response.status, body: (await response.json()) as unknown }
  }
  expect(await ask('POST', '/keyring/vault/sync')).toMatchObject({ status: 500, body: { code: 'ERR_INTERNAL' } })
  expect(await ask('GET', '/keyrings/default')).toMatchObject({
    status: 200,
    body: { last_error: { code: 'ERR_INTERNAL', failures: 2 } },
  })
  expect(node.output().match(/"request":"[^"]+","defect":"TypeError","frames":\["at /g)).toHaveLength(2)
  expect(node.output()).not.toMatch(/canary|UNREACHABLE/)
})
