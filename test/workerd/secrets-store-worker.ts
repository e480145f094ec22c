/** Secrets of a Secrets Store as a Worker sees them, objects with `get()`; the first and the third answer fail, as those of a service may. */
import { WorkerEntrypoint } from 'cloudflare:workers'

let asked = 0

export class WrappingKeys extends WorkerEntrypoint {
  async get(): Promise<string> {
    asked += 1
    if (asked === 1 || asked === 3) throw new Error('canary-of-the-store')
    return `w1:${btoa(String.fromCharCode(...new Uint8Array(32).fill(1)))}`
  }
}

export class VaultToken extends WorkerEntrypoint {
  async get(): Promise<string> {
    return 'root'
  }
}

export default { fetch: () => new Response() }
