/** For the tests alone: logins in a Durable Object, as a deployment makes them, with settings and a Vault that each call brings along. */
import { DurableObject } from 'cloudflare:workers'
import { objectStore } from '../../functions/cloudflare/object-store.ts'
import { parseConfig } from '../../src/config/config.ts'
import { systemClock } from '../../src/core/clock.ts'
import { settle } from '../../src/core/errors.ts'
import type { Fetch } from '../../src/core/ports.ts'
import { itemSealer } from '../../src/crypto/seal-item.ts'
import { webCipher, webHash } from '../../src/crypto/web.ts'
import { tokenVault } from '../../src/vault/login/vault.ts'
import { openLogin } from '../../src/vault/login/open.ts'
import { loginItems, sealedItems } from '../../src/vault/token/sealed-items.ts'
import { vaultTransport } from '../../src/vault/wire/transport.ts'
import { rare } from '../../src/rare.ts'
import type { Call } from '../support/login-call.ts'

export class LoginObject extends DurableObject<object> {
  readonly #store = objectStore({ sql: this.ctx.storage.sql, sync: () => this.ctx.storage.sync() }, 1000)

  async answer(call: Call) {
    const { signal } = new AbortController()
    const method = this.#method(call)
    const { vault } = call
    if (vault === null) return settle(async () => method.credential(signal))
    return settle(async () => {
      const { token, ...issued } = await method.login(vaultOf(vault), signal)
      return { ...issued, token: token.reveal() }
    })
  }

  #method({ settings, aheadMs }: Call) {
    const parsed = parseConfig(settings, 'workers')
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
    const { vault, wrappingKeys } = parsed.config ?? {}
    if (vault === undefined || vault === null || vault.auth.method === 'token') throw new Error('There is no login.')
    const sealer = () => itemSealer(webCipher, webHash, wrappingKeys ?? [])
    return openLogin(vault.auth, {
      clock: { ...systemClock, now: () => Date.now() + aheadMs },
      fetch: send,
      readFile: null,
      loadRare: () => rare,
      items: loginItems(sealedItems(this.#store, systemClock, sealer)),
    })
  }
}

const send: Fetch = (request) => fetch(request)

/** Waits between attempts take no time. */
function vaultOf({ address, namespace }: NonNullable<Call['vault']>) {
  const clock = { ...systemClock, sleep: async () => {} }
  return tokenVault(vaultTransport({ fetch: send, clock, address, namespace, timeoutMs: 5000 }), address, namespace)
}

interface Env {
  readonly LOGINS: DurableObjectNamespace<LoginObject>
}

export default {
  async fetch(request: Request, { LOGINS: logins }: Env): Promise<Response> {
    const call: Call = await request.json()
    return Response.json(await logins.getByName(call.deployment).answer(call))
  },
}
