/** `edge-keyring encrypt`: from text or bytes to a ciphertext, with the active key. */
import { command, keyringArgs, withKeyring } from './command.ts'
import { contextArg, inputOr } from './input.ts'

export const encrypt = command({
  meta: { name: 'encrypt', description: 'Encrypt the argument, or the bytes on standard input.' },
  args: {
    plaintext: { type: 'positional', description: 'Text to encrypt.', required: false },
    ...keyringArgs,
    ...contextArg,
  },
  run: ({ args }) =>
    withKeyring(args, async (keyring) => {
      const document = await keyring.encrypt(await inputOr(args.plaintext), args.context)
      return { document, screen: `${document.ciphertext}\n` }
    }),
})
