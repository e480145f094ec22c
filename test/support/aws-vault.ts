/** What Vault's login `aws` does with a signed question (its plugin's rules, as recorded), up to sending it to STS. */
import { KeyringError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import type { LoginVault } from '../../src/vault/login/method.ts'

export interface AwsVault extends LoginVault {
  /** Bodies of the logins, with the fields of the signed request decoded. */
  readonly seen: { readonly role: unknown; readonly url: string; readonly headers: Record<string, string> }[]
}

const X_AMZ = /^x-amz-(?:algorithm|content-sha256|credential|date|security-token|signature|signedheaders)$/

/** The token is the ARN that STS answers. Refusals carry the status of Vault, and the rule in `reason`. */
export function awsVault(serverId: string): AwsVault {
  const seen: AwsVault['seen'] = []
  return {
    seen,
    post: () => Promise.reject(new Error('A login with aws sends nothing else.')),
    async login(_segments, body) {
      const { role, ...request } = body as Record<string, string>
      const decoded = (name: string) => Buffer.from(request[`iam_request_${name}`] ?? '', 'base64').toString()
      const headers = JSON.parse(decoded('headers')) as Record<string, string>
      const url = decoded('url')
      seen.push({ role, url, headers })
      check(request['iam_http_request_method'] === 'POST', 'method')
      check(new URL(url).search === '', 'query')
      check(decoded('body') === 'Action=GetCallerIdentity&Version=2011-06-15', 'body')
      const names = Object.keys(headers).map((name) => name.toLowerCase())
      check(
        names.every((name) => !name.startsWith('x-amz-') || X_AMZ.test(name)),
        'header',
      )
      if (serverId !== '') {
        check(headers['x-vault-aws-iam-server-id'] === serverId, 'server id')
        check(/SignedHeaders=[^,]*x-vault-aws-iam-server-id/.test(headers['authorization'] ?? ''), 'unsigned')
      }
      const response = await fetch(url, { method: 'POST', headers, body: decoded('body') })
      const arn = /<Arn>([^<]+)<\/Arn>/.exec(await response.text())?.[1] ?? ''
      check(response.status === 200 && arn !== '', 'sts')
      return { token: new Secret(arn), ttlSeconds: 60, renewable: true, type: 'service', uses: 0 }
    },
  }
}

function check(holds: boolean, reason: string): void {
  if (!holds) throw new KeyringError('ERR_VAULT_REQUEST_REFUSED', 'Vault refused the request.', { facts: { reason } })
}
