/** A bare Hono handler: it answers a given text, and parses, runs AES-256-GCM and answers; what the server is compared with. */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'

// As our server does.
setFlagsFromString('--no-concurrent-array-buffer-sweeping')
const [listed = ''] = process.argv.slice(2)
const JSON_TYPE = { 'content-type': 'application/json' }
const [NONCE_BYTES, TAG_BYTES] = [12, 16]
const key = createSecretKey(randomBytes(32))

interface Plain {
  readonly plaintext: string
  readonly context: string
}
interface Sealed {
  readonly ciphertext: string
  readonly context: string
}
type Batch<Item> = Item & { readonly items?: readonly Item[] }

function encrypt({ plaintext, context }: Plain) {
  const nonce = randomBytes(NONCE_BYTES)
  const gcm = createCipheriv('aes-256-gcm', key, nonce)
  gcm.setAAD(Buffer.from(context))
  const sealed = Buffer.concat([nonce, gcm.update(plaintext, 'utf8'), gcm.final(), gcm.getAuthTag()])
  return { ciphertext: sealed.toString('base64url'), key_id: 'bare' }
}

function decrypt({ ciphertext, context }: Sealed) {
  const sealed = Buffer.from(ciphertext, 'base64url')
  const gcm = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  gcm.setAAD(Buffer.from(context))
  gcm.setAuthTag(sealed.subarray(-TAG_BYTES))
  const plaintext = gcm.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + gcm.final('utf8')
  return { plaintext, encoding: 'text', key_id: 'bare' }
}

const each = <Item>(body: Batch<Item>, work: (item: Item) => object): object =>
  body.items === undefined ? work(body) : { items: body.items.map((item) => work(item)) }

const app = new Hono()
app.get('/keyring', (context) => context.body(listed, 200, JSON_TYPE))
app.post('/keyrings/default/encrypt', async (context) =>
  context.json(each(await context.req.json<Batch<Plain>>(), encrypt)),
)
app.post('/keyrings/default/decrypt', async (context) =>
  context.json(each(await context.req.json<Batch<Sealed>>(), decrypt)),
)
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => {
  console.error(JSON.stringify({ listening: `127.0.0.1:${port}` }))
})
