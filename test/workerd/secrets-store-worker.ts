/** Secrets of a Secrets Store as a Worker sees them, objects with `get()`: a test gives them, and says how many of the next answers fail. */
import { WorkerEntrypoint } from 'cloudflare:workers'

const secrets = new Map<string, string>()
let failures = 0

function given(name: string): string {
  if (failures > 0) {
    failures -= 1
    throw new Error('canary-of-the-store')
  }
  return secrets.get(name) ?? ''
}

export class WrappingKeys extends WorkerEntrypoint {
  async get(): Promise<string> {
    return given('WrappingKeys')
  }
}

export class VaultToken extends WorkerEntrypoint {
  async get(): Promise<string> {
    return given('VaultToken')
  }
}

/** None until a test gives some. */
export class Vaults extends WorkerEntrypoint {
  async get(): Promise<string> {
    return secrets.get('Vaults') ?? '[]'
  }
}

export default {
  /** `PUT /<name>`: the secret; `PUT /failures`: a number. */
  async fetch(request: Request): Promise<Response> {
    const [name, text] = [new URL(request.url).pathname.slice(1), await request.text()]
    if (name === 'failures') failures = Number(text)
    else secrets.set(name, text)
    return new Response(null, { status: 204 })
  },
}
