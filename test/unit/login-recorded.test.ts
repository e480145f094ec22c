/** Recorded exchanges of OpenBao's login `aws`: what we send has the form that was accepted, what is refused says no text. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { KeyringError } from '../../src/core/errors.ts'
import { NEVER, loginMethod, loginVault } from '../support/logins.ts'

interface Exchange {
  readonly name: string
  readonly path: string
  readonly request: Readonly<Record<string, string>>
  readonly status: number
  readonly body: { readonly errors?: readonly string[] }
}

const FILE = join(import.meta.dirname, '../recorded/openbao-2.7.2-aws.json')
const { exchanges } = JSON.parse(readFileSync(FILE, 'utf8')) as { exchanges: readonly Exchange[] }
const recorded = (name: string): Exchange => {
  const found = exchanges.find((each) => each.name === name)
  if (found === undefined) throw new Error(`Nothing is recorded as ${name}.`)
  return found
}

const options = {
  auth_method: 'aws_iam',
  aws_auth_role: 'user',
  aws_auth_region: 'us-east-1',
  aws_access_key_id: 'AKIATESTTESTTESTTEST',
  aws_secret_access_key: 'test',
  aws_iam_server_id: 'vault.test',
  aws_sts_endpoint_url: 'https://sts.amazonaws.com',
}

/** Plays one exchange, whatever is asked; what was asked is kept. */
function player({ status, body }: Exchange) {
  const asked: { path: string; body: Record<string, string> }[] = []
  const vault = loginVault('http://vault.test', '', async (request) => {
    asked.push({ path: new URL(request.url).pathname, body: (await request.json()) as Record<string, string> })
    return Response.json(body, { status })
  })
  return { asked, vault }
}

describe('recorded: OpenBao with its plugin for aws', () => {
  it('took a request of this form', async () => {
    const exchange = recorded('user ok')
    const { asked, vault } = player(exchange)
    expect(await loginMethod(options).login(vault, NEVER)).toMatchObject({ ttlSeconds: 3600, renewable: true })
    const [{ path, body } = { path: '', body: {} as Record<string, string> }] = asked
    expect(path).toBe(exchange.path)
    expect({ ...body, iam_request_headers: '<iam_request_headers>' }).toEqual(exchange.request)
    const headers = JSON.parse(atob(body['iam_request_headers'] ?? '')) as Record<string, string>
    expect(Object.keys(headers).sort()).toEqual([
      'authorization',
      'content-type',
      'x-amz-date',
      'x-vault-aws-iam-server-id',
    ])
  })

  const refusals = exchanges.filter(({ status }) => status !== 200)
  it.each(refusals.map((exchange) => [exchange.name, exchange] as const))('refused: %s', async (_name, exchange) => {
    const { vault } = player(exchange)
    const error = await loginMethod(options)
      .login(vault, NEVER)
      .catch((error: unknown) => error)
    if (!(error instanceof KeyringError)) throw error
    expect(error.facts['vaultStatus']).toBe(exchange.status)
    for (const text of exchange.body.errors ?? [])
      expect(JSON.stringify([error.message, error.facts])).not.toContain(text)
  })
})
