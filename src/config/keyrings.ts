/** `KEYRINGS`: those beside `default`, each another secret of the same Vault. */
import * as z from 'zod/mini'
import { KEYRING_NAME } from '../core/limits.ts'
import { distinct, jsonText, kvVersion, vaultPath } from './values.ts'

const LIST = 'must be a JSON list of {"name", "kv", "mount", "path"}'
const NAME = 'must be 1 to 64 letters, digits, "_" or "-", a letter or digit first, and not "default"'

export interface KeyringSetting {
  readonly name: string
  /** `undefined` = KEYRING_VAULT_KV. */
  readonly kv?: 'v1' | 'v2' | undefined
  /** `undefined` = KEYRING_VAULT_MOUNT. */
  readonly mount?: string | undefined
  readonly path: string
}

export const keyrings = () => {
  const keyring = z.strictObject(
    {
      name: z.string(NAME).check(z.refine((name) => KEYRING_NAME.test(name) && name !== 'default', NAME)),
      kv: z.optional(kvVersion()),
      mount: z.optional(vaultPath('is required: the mount of the KV engine')),
      path: vaultPath('is required: the path of the secret in the mount'),
    },
    'must be an object with name, path and, if they differ, mount and kv, and with nothing else',
  )
  const once = distinct<KeyringSetting>(({ name }) => name, 'must give each name once')
  return z.pipe(jsonText(LIST), z.array(keyring, LIST).check(once))
}
