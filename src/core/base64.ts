/** Base64 as Node has it; workerd has methods of the language, so that `base64.workers.ts` stands here in a Worker. */

export type Form = 'base64' | 'base64url'

interface NodeBuffer {
  new (): unknown
  from(text: string, form: Form): Uint8Array<ArrayBuffer>
  from(buffer: ArrayBufferLike, offset: number, length: number): Texts
}
interface Texts {
  toString(form: Form): string
}
const { Buffer } = globalThis as unknown as { readonly Buffer: NodeBuffer }

export const encoded = (bytes: Uint8Array, form: Form): string =>
  (bytes instanceof Buffer ? (bytes as Texts) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)).toString(
    form,
  )

/** `null` = what cannot be read at all. */
export const decodedLoosely = (text: string, form: Form): Uint8Array<ArrayBuffer> | null => Buffer.from(text, form)
