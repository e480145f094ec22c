/** A canary in every secret, looked for in everything that leaves the process. */
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import { parseConfig } from '../../src/config/config.ts'
import { startNode } from '../conformance/driver.ts'
import { FAULTS, faultyProxy, vaultClient } from '../support/vault.ts'

const SECRETS = {
  vaultToken: 'canary-vault-token-1111',
  callersToken: 'canary-callers-token-2222',
  apiToken: 'canary-api-token-3333-of-some-length',
  wrongToken: 'canary-wrong-token-4444',
  wrappingKey: Buffer.from('canary-wrapping-key-5555-32bytes').toString('base64'),
  keyString: 'canary-key-string-6666-0123456789abcdef',
  plaintext: 'canary-plaintext-7777',
  context: 'canary-context-8888',
}

it('leaks no secret in an answer, a log, an audit line, a document or an inspected object', async () => {
  const vault = await startDevVault({ port: 0, dataFile: null, rootToken: SECRETS.vaultToken })
  const proxy = await faultyProxy(vault.address)
  const secrets = vaultClient(vault.address, SECRETS.vaultToken)
  await secrets.write('keyring', { id: 'first001', key: SECRETS.keyString })
  const settings = {
    KEYRING_VAULT_HOST: proxy.address,
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: 'keyring',
    KEYRING_VAULT_TOKEN: SECRETS.vaultToken,
    KEYRING_VAULT_TIMEOUT_MS: '200',
    KEYRING_WRAPPING_KEYS: `w1:${SECRETS.wrappingKey}`,
    KEYRING_API_TOKENS: JSON.stringify([
      { name: 'admin', sha256: createHash('sha256').update(SECRETS.apiToken).digest('hex'), grants: ['admin'] },
    ]),
  }
  const deployment = await startNode(settings)
  const seen: string[] = [
    inspect(parseConfig(settings, 'node'), { depth: 9, showHidden: true }),
    JSON.stringify(parseConfig(settings, 'node')),
  ]
  const call = async (path: string, body?: unknown, token = SECRETS.apiToken) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const response = await fetch(
      `${deployment.url}${path}`,
      body === undefined
        ? { headers }
        : { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) },
    )
    const text = await response.text()
    seen.push(inspect(response.headers), text)
    return text
  }

  const sync = '/keyring/vault/sync'
  for (const body of [
    {},
    { token: SECRETS.callersToken },
    { token: `${SECRETS.callersToken}\n` },
    { tokn: SECRETS.callersToken },
    `{"token":"${SECRETS.callersToken}`,
  ])
    await call(sync, body)
  const faults = [
    FAULTS.plainHttpToTls,
    FAULTS.html,
    FAULTS.redirect(`http://127.0.0.1:9/${SECRETS.vaultToken}`),
    FAULTS.error(400, SECRETS.keyString),
    FAULTS.error(403, SECRETS.keyString),
    FAULTS.error(500, SECRETS.keyString),
    { status: 200, body: JSON.stringify({ data: { data: SECRETS.keyString } }) },
    'hang',
    'cut',
  ] as const
  for (const fault of faults) {
    proxy.spoil('/metadata/', fault)
    await call(sync, {})
    proxy.heal()
  }
  await secrets.write('keyring', { id: `bad id ${SECRETS.keyString}`, key: SECRETS.keyString })
  await call(sync, {})

  const use = '/keyrings/default'
  const context = SECRETS.context
  const { ciphertext } = JSON.parse(await call(`${use}/encrypt`, { plaintext: SECRETS.plaintext, context })) as {
    ciphertext: string
  }
  const opened = await call(`${use}/decrypt`, { ciphertext, context })
  expect(opened).toContain(SECRETS.plaintext)
  seen.splice(seen.indexOf(opened), 1)
  await call(`${use}/decrypt`, { ciphertext, context: `${context}!` })
  for (const body of [
    `{"plaintext":"${SECRETS.plaintext}`,
    { plaintext: [SECRETS.plaintext] },
    { [SECRETS.plaintext]: 1 },
    { plaintext: SECRETS.plaintext, encoding: 'base64' },
  ])
    await call(`${use}/encrypt`, body)
  await call(`${use}/decrypt`, { ciphertext: SECRETS.plaintext })
  for (const path of ['/keyring', use, `/nowhere/${SECRETS.wrongToken.slice(0, 3)}`]) await call(path)
  await call('/keyring', undefined, SECRETS.wrongToken)

  await deployment.stop()
  await proxy.close()
  await vault.close()
  const docs = readdirSync('docs', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'))
  seen.push(deployment.output(), ...docs.map((name) => readFileSync(join('docs', name), 'utf8')))
  expect(deployment.output()).toContain('"outcome":"refused"')
  for (const [name, secret] of Object.entries(SECRETS)) {
    const leaks = seen.filter((text) => text.includes(secret))
    expect([name, leaks]).toEqual([name, []])
  }
})
