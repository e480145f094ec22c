/** A bare Hono handler that answers two given texts and does nothing else: what the server is compared with. */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'

const [listed = '', encrypted = ''] = process.argv.slice(2)
const JSON_TYPE = { 'content-type': 'application/json' }

const app = new Hono()
app.get('/keyring', (context) => context.body(listed, 200, JSON_TYPE))
app.post('/keyrings/default/encrypt', async (context) => {
  await context.req.text()
  return context.body(encrypted, 200, JSON_TYPE)
})
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => {
  console.error(JSON.stringify({ listening: `127.0.0.1:${port}` }))
})
