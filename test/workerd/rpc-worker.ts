/** A Worker that has the keyring by service bindings, for the tests: what is posted to `/<binding>/<method>` is asked, and the answer printed. */
import type { Rpc } from '../../src/http/rpc.ts'

type Env = Readonly<Record<string, Rpc>>

/** JSON has no bytes. */
const revived = (_name: string, value: unknown): unknown => {
  const bytes = (value as { readonly bytes?: unknown } | null)?.bytes
  return Array.isArray(bytes) ? new Uint8Array(bytes as number[]) : value
}
const replaced = (_name: string, value: unknown): unknown =>
  value instanceof Uint8Array ? { bytes: [...value], buffer: value.buffer.byteLength } : value

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const [, binding = '', method = ''] = new URL(request.url).pathname.split('/')
    const asked = JSON.parse(await request.text(), revived) as never
    try {
      const answer: unknown = await env[binding]?.[method as keyof Rpc](asked)
      return new Response(JSON.stringify(answer, replaced))
    } catch (error) {
      return Response.json({ thrown: String(error) })
    }
  },
}
