/** A bare Hono Worker that asks its object once before it answers a given text: what one hop leaves of a bare Worker. */
import { DurableObject } from 'cloudflare:workers'
import { Hono } from 'hono'

export class HopObject extends DurableObject {
  read(): { ok: true; value: string } {
    return { ok: true, value: 'unchanged' }
  }
}

interface Env {
  readonly LISTED: string
  readonly HOP_OBJECT: DurableObjectNamespace<HopObject>
}

const app = new Hono<{ Bindings: Env }>()
app.get('/keyring', async ({ env, body }) => {
  await env.HOP_OBJECT.getByName('hop').read()
  return body(env.LISTED, 200, { 'content-type': 'application/json' })
})

export default { fetch: app.fetch }
