/** What every deployment needs, for the secret that most tests have. */
import { createHash } from 'node:crypto'

/** @param admin the API token of one who may do everything. */
export const settingsOf = (address: string, admin: string) => ({
  KEYRING_VAULT_HOST: address,
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_VAULT_TOKEN: 'root',
  KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
  KEYRING_API_TOKENS: JSON.stringify([
    { name: 'admin', sha256: createHash('sha256').update(admin).digest('hex'), grants: ['admin'] },
  ]),
})
