/** A bare Hono handler with the answers of `GET /keyring` and of one encrypt: what the server is compared with. */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'

const app = new Hono()
app.get('/keyring', (context) => context.json({ ids: ['first001', 'second02'], active: 'second02' }))
app.post('/keyrings/default/encrypt', async (context) => {
  const { plaintext } = await context.req.json<{ plaintext: string }>()
  return context.json({ ciphertext: `ek1.second02.${plaintext}`, key_id: 'second02' })
})
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => {
  console.error(JSON.stringify({ listening: `127.0.0.1:${port}` }))
})
