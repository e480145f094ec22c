/** A Worker for the tests alone: its object writes records as fast as it can, and tells the number of each once it is written. */
import { DurableObject } from 'cloudflare:workers'
import { objectStore } from '../../functions/cloudflare/object-store.ts'
import { utf8 } from '../../src/core/bytes.ts'
import { recordNumber } from '../node/children/numbered.ts'

export class WriteObject extends DurableObject<object> {
  override async fetch(request: Request): Promise<Response> {
    const { storage } = this.ctx
    const store = objectStore({ sql: storage.sql, sync: () => storage.sync() }, 1000)
    const stored = await store.get('record')
    if (request.method === 'GET')
      return new Response(stored?.bytes, { headers: { version: String(stored?.version ?? 0) } })
    let version = stored?.version ?? 0
    const told = new ReadableStream({
      async pull(controller) {
        await store.put('record', recordNumber(version + 1), version)
        version += 1
        controller.enqueue(utf8(`${version}\n`))
      },
    })
    return new Response(told)
  }
}

interface Env {
  readonly OBJECT: DurableObjectNamespace<WriteObject>
}

export default {
  fetch: (request: Request, env: Env) => env.OBJECT.getByName('one').fetch(request),
}
