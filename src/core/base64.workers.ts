/** Base64 by the methods of the language, which Node 24 lacks. */
import type * as elsewhere from './base64.ts'

interface Native {
  toBase64(options: { alphabet: elsewhere.Form; omitPadding: boolean }): string
}
interface NativeArray {
  fromBase64(text: string, options: { alphabet: elsewhere.Form }): Uint8Array<ArrayBuffer>
}

export const encoded: typeof elsewhere.encoded = (bytes, form) =>
  (bytes as unknown as Native).toBase64({ alphabet: form, omitPadding: form === 'base64url' })

export const decodedLoosely: typeof elsewhere.decodedLoosely = (text, form) => {
  try {
    return (Uint8Array as unknown as NativeArray).fromBase64(text, { alphabet: form })
  } catch {
    return null
  }
}
