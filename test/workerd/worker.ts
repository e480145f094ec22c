/** The Worker, for the tests: its Durable Object counts calls and can be broken, Workers KV can refuse, and counts reads for others. */
import { WorkerEntrypoint } from 'cloudflare:workers'
import { KeyringObject as RealObject } from '../../functions/cloudflare/keyring-object.ts'
import type { Breakage } from './breakage.ts'
import worker, { KeyringService } from '../../functions/cloudflare/worker.ts'
import type { Message } from '../../src/core/operations.ts'

export { KeyringService }

interface Env {
  readonly KEYRING_REPLICA?: KVNamespace
  readonly KEYRING_OBJECT: DurableObjectNamespace<KeyringObject>
}

/** In the module: an object that is reset keeps neither. */
const state = { calls: [] as string[], reads: [] as string[], breakage: null as Breakage, refuses: false }

const refusing = (kv: KVNamespace): KVNamespace =>
  new Proxy(kv, {
    get(target, name) {
      if (name === 'put' && state.refuses) return () => Promise.reject(new Error('KV PUT failed: 429 canary-of-kv'))
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })

/** Workers KV for another worker, which has it as its binding. */
export class CountingKv extends WorkerEntrypoint<{ readonly KEYRING_REPLICA: KVNamespace }> {
  async get(name: string, options: { type: 'arrayBuffer'; cacheTtl: number }): Promise<ArrayBuffer | null> {
    state.reads.push(name)
    const held = await this.env.KEYRING_REPLICA.get(name, options)
    state.reads.push('answered')
    return held
  }
}

export class KeyringObject extends RealObject {
  constructor(context: DurableObjectState, env: Env) {
    const { KEYRING_REPLICA: kv } = env
    super(context, kv === undefined ? env : { ...env, KEYRING_REPLICA: refusing(kv) })
  }

  /** Since the last look. */
  calls(): string[] {
    return state.calls.splice(0)
  }

  /** Of `CountingKv`, since the last look. */
  reads(): string[] {
    return state.reads.splice(0)
  }

  break(how: Breakage): void {
    state.breakage = how
  }

  refuse(refuses: boolean): void {
    state.refuses = refuses
  }

  reset(): void {
    this.ctx.abort('reset by a test')
  }

  /** Nothing that a Worker sends. */
  defect() {
    const options = () => {
      throw new TypeError('canary-of-the-object')
    }
    return super.call(Object.defineProperty({ call: 'sync', keyring: 'default' }, 'options', { get: options }))
  }

  override fetch(request: Request) {
    this.#called('read')
    return super.fetch(request)
  }

  override call(message: Message) {
    this.#called(message.call)
    return super.call(message)
  }

  #called(name: string): void {
    state.calls.push(name)
    if (state.breakage === 'abort') this.ctx.abort('broken by a test')
    if (state.breakage === 'throw') throw new Error('canary-of-the-object')
  }
}

/** `POST /object/<method>` with its argument as JSON: a stub held by the test would keep the object from being evicted. */
async function control(request: Request, { KEYRING_OBJECT: objects }: Env): Promise<Response> {
  const object = objects.getByName('keyring')
  const asked = {
    calls: () => object.calls(),
    reads: () => object.reads(),
    break: async () => object.break(await request.json()),
    refuse: async () => object.refuse(await request.json()),
    defect: () => object.defect(),
    reset: () => object.reset(),
  }
  const name = new URL(request.url).pathname.slice('/object/'.length) as keyof typeof asked
  const answer: unknown = await asked[name]().catch(() => null)
  return Response.json(answer ?? null)
}

export default {
  fetch: (request: Request, env: Env) =>
    request.url.includes('/object/') ? control(request, env) : worker.fetch(request),
  scheduled: () => worker.scheduled(),
}
