/** A Worker for the tests alone: two record stores, as of two instances, on one Durable Object's storage, offered to the outside. */
import { DurableObject } from 'cloudflare:workers'
import { objectSql, objectStore } from '../../functions/cloudflare/object-store.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { settle } from '../../src/core/errors.ts'
import type { RecordStore } from '../../src/core/ports.ts'
import type { RunSql } from '../../src/secrets/sql-items.ts'

export class StoreObject extends DurableObject<object> {
  readonly #handles: readonly [RecordStore, RecordStore]
  readonly #sql: RunSql

  constructor(state: DurableObjectState, env: object) {
    super(state, env)
    const storage = { sql: state.storage.sql, sync: () => state.storage.sync() }
    this.#handles = [objectStore(storage, 1000), objectStore(storage, 1000)]
    this.#sql = objectSql(storage)
  }

  get(handle: 0 | 1, name: string) {
    return settle(() => this.#handles[handle].get(name))
  }

  put(handle: 0 | 1, name: string, bytes: Bytes, expected: number) {
    return settle(() => this.#handles[handle].put(name, bytes, expected))
  }

  sql(...statement: Parameters<RunSql>) {
    return settle(() => this.#sql(...statement))
  }
}

export default { fetch: () => new Response(null, { status: 404 }) }
