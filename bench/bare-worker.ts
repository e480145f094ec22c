/** A bare Hono Worker that answers two given texts and does nothing else: what the Worker is compared with. */
import { Hono } from 'hono'

interface Env {
  readonly LISTED: string
  readonly ENCRYPTED: string
}

const JSON_TYPE = { 'content-type': 'application/json' }

const app = new Hono<{ Bindings: Env }>()
app.get('/keyring', (context) => context.body(context.env.LISTED, 200, JSON_TYPE))
app.post('/keyrings/default/encrypt', async (context) => {
  await context.req.text()
  return context.body(context.env.ENCRYPTED, 200, JSON_TYPE)
})

export default { fetch: app.fetch }
