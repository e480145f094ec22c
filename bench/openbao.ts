/** A real OpenBao as the anchor: a login's token of it, and its Transit engine asked for the values that ours is asked for. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { vaultClient } from '../test/support/vault.ts'
import { findOpenBao, freePort, startOpenBao } from '../test/vault/openbao.ts'
import type { OpenBao } from '../test/vault/openbao.ts'
import { cpuMs } from './child.ts'
import type { OnEnd } from './measure.ts'
import { tempFolder } from './measure.ts'
import type { Items, Request, Server } from './requests.ts'
import { CONTEXT, answerOf, nameOf, plaintexts, post } from './requests.ts'

/** The token of a login by AppRole, with the policy `default` beside the one given. */
export async function loginToken({ address, token }: OpenBao, policy: string): Promise<string> {
  const role = 'auth/approle/role/bench'
  const ask = async (path: string, body: object | null) => {
    const answer = await asked({ address, token }, path, body)
    return answer as { data: { role_id: string; secret_id: string }; auth: { client_token: string } }
  }
  await ask('sys/auth/approle', { type: 'approle' })
  await ask('sys/policies/acl/bench', { policy })
  await ask(role, { token_policies: ['bench'] })
  const { role_id } = (await ask(`${role}/role-id`, null)).data
  const { secret_id } = (await ask(`${role}/secret-id`, {})).data
  return (await ask('auth/approle/login', { role_id, secret_id })).auth.client_token
}

async function asked(
  { address, token }: Pick<OpenBao, 'address' | 'token'>,
  path: string,
  body: object | null,
): Promise<unknown> {
  const root = vaultClient(address, token)
  const answer = await root.request(body === null ? 'GET' : 'POST', path, body === null ? {} : { body })
  if (answer.status >= 300) throw new Error(`${path} answered ${answer.status}`)
  return answer.body
}

/** What its process has used, as a server that is measured. */
export const measurable = ({
  address,
  pid,
}: {
  readonly address: string
  readonly pid: number | undefined
}): Server => ({
  address: new URL(address).host,
  cpuMs: () => cpuMs(pid),
})

export interface Transit {
  readonly bao: OpenBao
  readonly server: Server
  /** By whose token: the root's, and one of a login. */
  readonly tokens: Readonly<Record<'root' | 'login', string>>
}

/** With one key, AES-256-GCM; without an audit device. Its own bound of strings in a request is below what 1,000 values have. */
export async function startTransit(onEnd: OnEnd): Promise<Transit> {
  const [port, file] = [await freePort(), join(tempFolder(onEnd), 'listener.hcl')]
  const listens = `address = "127.0.0.1:${port}"\n  tls_disable = true\n  max_request_json_strings = 1000000`
  writeFileSync(file, `listener "tcp" {\n  ${listens}\n}`)
  const started = await startOpenBao(await findOpenBao(), `-config=${file}`)
  onEnd(started.close)
  const bao = { ...started, address: `http://127.0.0.1:${port}` }
  await asked(bao, 'sys/mounts/transit', { type: 'transit' })
  await asked(bao, 'transit/keys/bench', { type: 'aes256-gcm96' })
  const login = await loginToken(bao, 'path "transit/*" { capabilities = ["create", "update"] }')
  return { bao, server: measurable(bao), tokens: { root: bao.token, login } }
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')
export const ASSOCIATED = { associated_data: base64(CONTEXT) }

type OfToken = (token: string) => Request

function request(action: string, items: Items, values: readonly object[]): OfToken {
  const bound = values.map((value) => ({ ...value, ...ASSOCIATED }))
  const body = items === null ? { ...bound[0] } : { batch_input: bound }
  const asked = post(`/v1/transit/${action}/bench`, body, nameOf(action, items))
  return (token) => ({ ...asked, headers: { 'x-vault-token': token } })
}

export const transitEncrypt = (items: Items): OfToken =>
  request(
    'encrypt',
    items,
    plaintexts(items).map((text) => ({ plaintext: base64(text) })),
  )

/** Of what it has encrypted. */
export async function transitDecrypt({ server, tokens }: Transit, items: Items): Promise<OfToken> {
  const { data } = JSON.parse(await answerOf(server, transitEncrypt(items)(tokens.root))) as {
    data: { ciphertext: string; batch_results?: readonly { ciphertext: string }[] }
  }
  const values = (data.batch_results ?? [data]).map(({ ciphertext }) => ({ ciphertext }))
  return request('decrypt', items, values)
}
