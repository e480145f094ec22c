/** Syncs, and prints the ids and the active key: sync.ts <database> <vault address> <path>. */
import { parseConfig } from '../../../src/config/config.ts'
import { openInstance } from '../../../functions/node/instance.ts'

const [database = '', address = '', path = ''] = process.argv.slice(2)
const parsed = parseConfig(
  {
    KEYRING_VAULT_HOST: address,
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: path,
    KEYRING_VAULT_TOKEN: 'root',
    KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
    KEYRING_API_TOKEN: 'of-no-importance',
  },
  'node',
)
if (!parsed.ok || parsed.config === null) throw new Error('The settings are wrong.')
const instance = openInstance(parsed.config, { database, auditFile: null })
const keyring = await instance.keyring('default')
await keyring.sync({ force: false, adopt: false, token: null })
const record = await keyring.record()
console.log(JSON.stringify({ ids: record?.keys.map(({ id }) => id), active: record?.active }))
await instance.close()
