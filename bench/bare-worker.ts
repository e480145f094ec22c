/** A bare Hono Worker: it answers a given text, and parses, runs AES-256-GCM and answers; what the Worker is compared with. */
import { Hono } from 'hono'

interface Env {
  readonly LISTED: string
}
interface Plain {
  readonly plaintext: string
  readonly context: string
}
interface Sealed {
  readonly ciphertext: string
  readonly context: string
}

/** Newer than what the compiler knows of Workers. */
interface Base64 {
  toBase64(options: { alphabet: 'base64url'; omitPadding: boolean }): string
}
interface FromBase64 {
  fromBase64(text: string, options: { alphabet: 'base64url' }): Uint8Array<ArrayBuffer>
}

const NONCE_BYTES = 12
const [encoder, decoder] = [new TextEncoder(), new TextDecoder()]
const URL_SAFE = { alphabet: 'base64url', omitPadding: true } as const
const how = (iv: Uint8Array<ArrayBuffer>, context: string) => ({
  name: 'AES-GCM',
  iv,
  additionalData: encoder.encode(context),
})

/** Not a promise, since one that another request began must not be waited for. */
let held: CryptoKey | null = null
const imported = async (): Promise<CryptoKey> =>
  (held = await crypto.subtle.importKey('raw', new Uint8Array(32), 'AES-GCM', false, ['encrypt', 'decrypt']))

async function encrypt({ plaintext, context }: Plain) {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES))
  const sealed = await crypto.subtle.encrypt(how(nonce, context), held ?? (await imported()), encoder.encode(plaintext))
  const whole = new Uint8Array(NONCE_BYTES + sealed.byteLength)
  whole.set(nonce)
  whole.set(new Uint8Array(sealed), NONCE_BYTES)
  return { ciphertext: (whole as unknown as Base64).toBase64(URL_SAFE), key_id: 'bare' }
}

async function decrypt({ ciphertext, context }: Sealed) {
  const whole = (Uint8Array as unknown as FromBase64).fromBase64(ciphertext, URL_SAFE)
  const [nonce, sealed] = [whole.subarray(0, NONCE_BYTES), whole.subarray(NONCE_BYTES)]
  const opened = await crypto.subtle.decrypt(how(nonce, context), held ?? (await imported()), sealed)
  return { plaintext: decoder.decode(opened), encoding: 'text', key_id: 'bare' }
}

const app = new Hono<{ Bindings: Env }>()
app.get('/keyring', (context) => context.body(context.env.LISTED, 200, { 'content-type': 'application/json' }))
app.post('/keyrings/default/encrypt', async (context) => context.json(await encrypt(await context.req.json<Plain>())))
app.post('/keyrings/default/decrypt', async (context) => context.json(await decrypt(await context.req.json<Sealed>())))

export default { fetch: app.fetch }
