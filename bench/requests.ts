/** What the servers under load are asked, and the settings with which ours run: a caller with every grant, one key, a dev Vault. */
import { createHash } from 'node:crypto'
import type { Child } from './child.ts'

const TOKEN = 'a-token-for-the-benchmark,-of-no-importance'
const HEADERS = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }

/** What is measured: where it listens, and the processor time that it has used. */
export type Server = Pick<Child, 'address' | 'cpuMs'>

export interface Request {
  readonly name: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: string
  readonly headers: Readonly<Record<string, string>>
}

/** One value in a request, or so many in a batch. */
export type Items = number | null

export const LIST: Request = { name: 'GET /keyring', method: 'GET', path: '/keyring', headers: HEADERS }

export const post = (path: string, body: object, name = `POST ${path}`): Request => ({
  name,
  method: 'POST',
  path,
  body: JSON.stringify(body),
  headers: HEADERS,
})

export const CONTEXT = 'orders/17'

/** Of 32 bytes each, no two alike. */
export const plaintexts = (items: Items): readonly string[] =>
  Array.from({ length: items ?? 1 }, (_, index) => `4111 1111 1111 1111 ${String(index).padStart(12, '0')}`)

/** Names of rows. */
export const nameOf = (action: string, items: Items): string =>
  items === null ? action : `${action}, each of ${items}`

const bodyOf = (items: Items, all: readonly object[]): object => (items === null ? { ...all[0] } : { items: all })

export const encryptOf = (items: Items): Request =>
  post(
    '/keyrings/default/encrypt',
    bodyOf(
      items,
      plaintexts(items).map((plaintext) => ({ plaintext, context: CONTEXT })),
    ),
    nameOf('encrypt', items),
  )

interface Made {
  readonly ciphertext: string
}

/** Decrypts what `server` has encrypted. */
export async function decryptOf(server: Server, items: Items): Promise<Request> {
  const answer = JSON.parse(await answerOf(server, encryptOf(items))) as Made & { readonly items?: readonly Made[] }
  const asked = (answer.items ?? [answer]).map(({ ciphertext }) => ({ ciphertext, context: CONTEXT }))
  return post('/keyrings/default/decrypt', bodyOf(items, asked), nameOf('decrypt', items))
}

/** What every deployment needs, with the dev Vault at `address`. */
export function settings(address: string): Record<string, string> {
  const sha256 = createHash('sha256').update(TOKEN).digest('hex')
  return {
    KEYRING_VAULT_HOST: address,
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: 'keyring',
    KEYRING_VAULT_TOKEN: 'root',
    KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
    KEYRING_API_TOKENS: JSON.stringify([{ name: 'bench', sha256, grants: ['admin'] }]),
  }
}

export const SEED = {
  mount: 'secret',
  path: 'keyring',
  data: { id: 'second02', key: 'a key of no importance 0123456789abcdef' },
}

export async function answerOf({ address }: Server, { method, path, body, headers }: Request): Promise<string> {
  const response = await fetch(`http://${address}${path}`, { method, headers, body: body ?? null })
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
  return response.text()
}
