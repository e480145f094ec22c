/** `KEYRINGS`: those beside `default`, each another secret of the same Vault. */
import * as z from 'zod/mini'
import { KEYRING_NAME } from '../core/limits.ts'
import { KEYRINGS_FORM as LIST, KEYRINGS_NAME as NAME } from './plain.ts'
import { kvVersion } from './reach.ts'
import { distinct, jsonText, vaultPath } from './values.ts'

const keyring = z.strictObject(
  {
    name: z.string(NAME).check(z.refine((name) => KEYRING_NAME.test(name) && name !== 'default', NAME)),
    /** KEYRING_VAULT_KV unless set. */
    kv: z.optional(kvVersion),
    /** KEYRING_VAULT_MOUNT unless set. */
    mount: z.optional(vaultPath('the mount of the KV engine')),
    path: vaultPath('the path of the secret in the mount'),
  },
  'must be an object with name, path and, if they differ, mount and kv, and with nothing else',
)

export const keyrings = z.pipe(
  z.pipe(z.string(), jsonText(LIST)),
  z.array(keyring, LIST).check(distinct<z.output<typeof keyring>>(({ name }) => name, 'must give each name once')),
)
