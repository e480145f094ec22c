/** A Worker of an application, for the tests: what is posted is resolved by `edge-keyring/references/cloudflare`. `PUT /test/clock` sets its clock ahead by milliseconds. */
import { KeyringError, openReferences } from '../../functions/cloudflare/resolving.ts'
import type { References, ReferenceService } from '../../functions/cloudflare/resolving.ts'

interface Env {
  /** Absent = nobody can be asked. */
  readonly KEYRING?: ReferenceService
}

const real = Date.now
let aheadMs = 0
Date.now = () => real() + aheadMs

let references: References | null = null

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (new URL(request.url).pathname === '/test/clock') {
      aheadMs += Number(await request.text())
      return new Response(null, { status: 204 })
    }
    references ??= await openReferences(env, env.KEYRING === undefined ? {} : { service: env.KEYRING })
    const value = await references.resolve(await request.text()).catch((error: unknown) => {
      if (error instanceof KeyringError) return error.code
      throw error
    })
    return new Response(value)
  },
}
