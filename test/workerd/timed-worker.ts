/** The Worker with a clock and a trigger that a test moves: `PUT /test/clock` sets it ahead by milliseconds, `PUT /test/scheduled` is the cron trigger. */
import worker, { KeyringObject } from '../../functions/cloudflare/worker.ts'

const real = Date.now
let aheadMs = 0
Date.now = () => real() + aheadMs

export { KeyringObject }

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname === '/test/clock') aheadMs += Number(await request.text())
    else if (pathname === '/test/scheduled') await worker.scheduled()
    else return worker.fetch(request)
    return new Response(null, { status: 204 })
  },
}
