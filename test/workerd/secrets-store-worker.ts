/** Secrets of a Secrets Store as a Worker sees them, objects with `get()`; the first answers fail, as those of a service may. */
import { WorkerEntrypoint } from 'cloudflare:workers'

let failures = 2

export class WrappingKeys extends WorkerEntrypoint {
  async get(): Promise<string> {
    failures -= 1
    if (failures >= 0) throw new Error('canary-of-the-store')
    return `w1:${btoa(String.fromCharCode(...new Uint8Array(32).fill(1)))}`
  }
}

export class VaultToken extends WorkerEntrypoint {
  async get(): Promise<string> {
    return 'root'
  }
}

export default { fetch: () => new Response() }
