/** A Worker for the tests alone: two record stores, as of two instances, on one Durable Object's storage, offered to the outside. */
import { DurableObject } from 'cloudflare:workers'
import { objectStore } from '../../functions/cloudflare/object-store.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { settle } from '../../src/core/errors.ts'
import type { RecordStore } from '../../src/core/ports.ts'

export class StoreObject extends DurableObject<object> {
  readonly #handles: readonly [RecordStore, RecordStore]

  constructor(state: DurableObjectState, env: object) {
    super(state, env)
    const open = () => objectStore({ sql: state.storage.sql, sync: () => state.storage.sync() }, 1000)
    this.#handles = [open(), open()]
  }

  get(handle: 0 | 1, name: string) {
    return settle(() => this.#handles[handle].get(name))
  }

  put(handle: 0 | 1, name: string, bytes: Bytes, expected: number) {
    return settle(() => this.#handles[handle].put(name, bytes, expected))
  }
}

export default { fetch: () => new Response(null, { status: 404 }) }
