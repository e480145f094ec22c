/** What Vault's login `aws` does with a signed question: its plugin's rules and texts, as recorded, up to asking STS. */
import type { Fetch } from '../../src/core/ports.ts'

interface AwsVault {
  /** Bodies of the logins, with the fields of the signed request decoded. */
  readonly seen: { readonly role: unknown; readonly url: string; readonly headers: Record<string, string> }[]
  /** Texts of the refusals. */
  readonly refusals: string[]
  /** Answers logins. */
  readonly answer: Fetch
}

const X_AMZ = /^x-amz-(?:algorithm|content-sha256|credential|date|security-token|signature|signedheaders)$/

/** @param tokenFor what is issued to whom STS names; the ARN itself unless given. */
export function awsVault(serverId: string, tokenFor: (arn: string) => string = (arn) => arn): AwsVault {
  const [seen, refusals]: [AwsVault['seen'], string[]] = [[], []]

  async function arnOf(fields: Record<string, string>): Promise<string> {
    const decoded = (name: string) => Buffer.from(fields[`iam_request_${name}`] ?? '', 'base64').toString()
    const headers = JSON.parse(decoded('headers')) as Record<string, string>
    const [url, body] = [decoded('url'), decoded('body')]
    seen.push({ role: fields['role'], url, headers })
    check(fields['iam_http_request_method'] === 'POST', 'invalid iam_http_request_method')
    check(new URL(url).search === '', 'invalid request')
    check(body === 'Action=GetCallerIdentity&Version=2011-06-15', 'iam request body is invalid')
    const odd = Object.keys(headers).find((name) => /^x-amz-/i.test(name) && !X_AMZ.test(name.toLowerCase()))
    check(odd === undefined, `invalid request header: ${odd}`)
    checkServerId(serverId, headers)
    const response = await fetch(url, { method: 'POST', headers, body })
    const arn = /<Arn>([^<]+)<\/Arn>/.exec(await response.text())?.[1] ?? ''
    check(response.status === 200 && arn !== '', 'error making upstream request: body of GetCallerIdentity is invalid')
    return arn
  }

  return {
    seen,
    refusals,
    async answer(request) {
      try {
        const client_token = tokenFor(await arnOf((await request.json()) as Record<string, string>))
        const auth = { client_token, lease_duration: 60, renewable: true, token_type: 'service', num_uses: 0 }
        return Response.json({ auth })
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        refusals.push(error.message)
        return Response.json({ errors: [error.message] }, { status: 400 })
      }
    },
  }
}

class Refusal extends Error {}

function check(holds: boolean, text: string): void {
  if (!holds) throw new Refusal(text)
}

const SERVER_ID = 'x-vault-aws-iam-server-id'

function checkServerId(expected: string, headers: Record<string, string>): void {
  if (expected === '') return
  const start = 'error validating X-Vault-AWS-IAM-Server-ID header:'
  const given = headers[SERVER_ID]
  check(given !== undefined, `${start} missing header "X-Vault-AWS-IAM-Server-ID"`)
  check(given === expected, `${start} expected "${expected}" but got "${given}"`)
  const signed = /SignedHeaders=([^,]*)/.exec(headers['authorization'] ?? '')?.[1]?.split(';')
  check(signed?.includes(SERVER_ID) === true, `${start} vault header wasn't signed`)
}
