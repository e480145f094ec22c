/** `EDGE_KEYRING_HEADERS`: what lets a command pass what stands before a deployment, and who gets to see it. */
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import { runCli } from '../support/cli.ts'

const HEADERS = '{"CF-Access-Client-Id": "canary.access", "CF-Access-Client-Secret": "canary"}'
const servers: Server[] = []

/** Like Access: whoever does not bring the headers is sent to a login page. */
async function listening(answer: RequestListener) {
  const seen: IncomingHttpHeaders[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers)
    answer(request, response)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

const sync = (url: string, headers: string) =>
  runCli(['sync'], {
    cwd: tmpdir(),
    env: { EDGE_KEYRING_URL: url, EDGE_KEYRING_TOKEN: 'ek_token', EDGE_KEYRING_HEADERS: headers },
  })

afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve).closeAllConnections())
})

describe('headers for the deployment', () => {
  it('go to it beside the token, to nobody that it names, and to no screen', async () => {
    const other = await listening((_request, response) => response.writeHead(204).end())
    const access = await listening(({ headers }, response) => {
      const isIn = headers['cf-access-client-secret'] === 'canary' && headers['cf-access-client-id'] === 'canary.access'
      if (isIn) response.writeHead(204).end()
      else response.writeHead(302, { location: `${other.url}/login` }).end()
    })
    const passed = await sync(access.url, HEADERS)
    expect([passed.code, passed.stdout]).toEqual([0, 'ok  synced\n'])
    expect(access.seen[0]).toMatchObject({ authorization: 'Bearer ek_token' })
    const refused = await sync(access.url, '{"CF-Access-Client-Id": "canary.other"}')
    expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining('ERR_DEPLOYMENT_UNKNOWN')])
    expect(other.seen).toEqual([])
    expect(passed.stderr + refused.stdout + refused.stderr).not.toContain('canary')
  })

  it.each([
    ['what is no JSON', 'canary', 'must be a JSON object'],
    ['a header of the body', '{"Content-Type": "canary"}', 'must not have a header that'],
    ['the header of the token', '{"authorization": "canary"}', 'must not have Authorization'],
    ['the same in Kong', '{"Kong-Admin-Token": "canary"}', 'must not have Authorization or Kong-Admin-Token'],
  ])('with %s are refused, by name and never by value', async (_name, headers, expected) => {
    const { code, stderr } = await sync('https://keyring.example', headers)
    expect([code, stderr]).toEqual([2, expect.stringContaining(`EDGE_KEYRING_HEADERS: ${expected}`)])
    expect(stderr).not.toContain('canary')
  })
})
