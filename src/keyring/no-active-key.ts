/** What is said to whoever would encrypt and has no key to do it with. */
import { KeyringError } from '../core/errors.ts'

/** People have the command or the API. */
export const firstSync = (keyring: string): string =>
  `Sync for the first time: edge-keyring sync --keyring ${keyring}, or POST /keyrings/${keyring}/sync.`

export const noActiveKey = (keyring: string, isSynced: boolean): KeyringError =>
  new KeyringError(
    'ERR_NO_ACTIVE_KEY',
    `Keyring "${keyring}" has ${isSynced ? 'no active key' : 'never been synced'}.`,
    {
      facts: { keyring },
      ...(!isSynced && { remedy: firstSync(keyring) }),
    },
  )
