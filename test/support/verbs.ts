/** The authority by verbs, which is shorter in a test than messages are. */
import type { DiagnoseOptions } from '../../src/core/findings.ts'
import type { KeyringAuthority, KeyringChange, SyncOptions } from '../../src/core/operations.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'

export type Verbs = ReturnType<typeof verbsOf>

export const verbsOf = (authority: KeyringAuthority) => ({
  call: authority.call.bind(authority),
  read: (keyring: string, known: number) => authority.call({ call: 'read', keyring, known }),
  status: (keyring: string) => authority.call({ call: 'status', keyring }),
  sync: (keyring: string, options: SyncOptions) => authority.call({ call: 'sync', keyring, options }),
  syncIfDue: (keyring: string) => authority.call({ call: 'syncIfDue', keyring }),
  change: (keyring: string, change: KeyringChange) => authority.call({ call: 'change', keyring, change }),
  reseal: (keyring: string) => authority.call({ call: 'reseal', keyring }),
  import: (keyring: string, record: string, force = false) =>
    authority.call({ call: 'import', keyring, record, force }),
  diagnose: (keyring: string, options: DiagnoseOptions = { login: false }) =>
    authority.call({ call: 'diagnose', keyring, ...options }),
})

/** `origin`, but for what it is read. */
export const withRead = (origin: KeyringAuthority, read: Verbs['read']): KeyringAuthority =>
  distantAuthority(async (message) =>
    message.call === 'read' ? read(message.keyring, message.known) : origin.call(message),
  )
