/** `edge-keyring decrypt`: from a ciphertext to the plaintext, whether that is text or bytes. */
import { decodeUtf8, toBase64 } from '../../src/core/bytes.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { command, keyringArgs, withKeyring } from './command.ts'
import { contextArg, inputOr } from './input.ts'

export const decrypt = command({
  meta: { name: 'decrypt', description: 'Decrypt the argument, or the value on standard input.' },
  args: {
    ciphertext: { type: 'positional', description: 'What encrypt has printed.', required: false },
    ...keyringArgs,
    ...contextArg,
  },
  run: ({ args }) =>
    withKeyring(args, async (keyring) => {
      const value = decodeUtf8(await inputOr(args.ciphertext))?.trim() ?? ''
      const { plaintext, key_id } = await keyring.decrypt(value, args.context)
      return { document: { ...textOrBase64(plaintext), key_id }, screen: plaintext }
    }),
})

function textOrBase64(bytes: Bytes): { plaintext: string; encoding: 'text' | 'base64' } {
  const text = decodeUtf8(bytes)
  return text === null ? { plaintext: toBase64(bytes), encoding: 'base64' } : { plaintext: text, encoding: 'text' }
}
