/** The remedies of what only a service can meet: it answers requests, and changes a keyring. An application that uses one need not carry them. */

export const SERVICE_REMEDIES = {
  ERR_UNAUTHENTICATED: 'Send an API token: "Authorization: Bearer <token>" or "Kong-Admin-Token: <token>".',
  ERR_FORBIDDEN: 'Ask for a grant for this action on this keyring (KEYRING_API_TOKENS).',
  ERR_ROUTE_NOT_FOUND: 'See docs/api.md for the paths.',
  ERR_METHOD_NOT_ALLOWED: 'Use a method named in the Allow header.',
  ERR_MEDIA_TYPE: 'Send application/json or, on /keyring paths, application/x-www-form-urlencoded.',
  ERR_BODY_TOO_LARGE: 'Send less at once; limits: docs/api.md.',
  ERR_BODY_MALFORMED: 'Send a body that parses.',
  ERR_RATE_LIMITED: 'Ask again later.',

  ERR_KEYRING_NOT_FOUND: 'Name a configured keyring; the plain settings configure "default".',
  ERR_KEY_ACTIVE: 'Rotate first: write a new version to Vault and sync.',
  ERR_KEY_IN_USE: 'Wait until the time named; "force" skips the wait, and loses values encrypted in between.',
  ERR_ACTIVE_UNUSABLE: 'Write a new version to Vault, with a string "key" under a new "id", then sync.',
  ERR_SOURCE_CHANGED: 'If this is meant, sync with {"adopt": true}: earlier keys stay, for decryption only.',
  ERR_SOURCE_RECREATED:
    'If this is meant, sync with {"force": true} or {"adopt": true}: earlier keys stay, for decryption only.',
  ERR_SOURCE_NOT_FOUND:
    'Check KEYRING_VAULT_MOUNT and KEYRING_VAULT_PATH ("mount" and "path" in KEYRINGS) and a base path of the address, or write the secret.',
  ERR_SYNC_CONTENDED: 'Try again.',
  ERR_ROTATION_REFUSED: 'Do what the message says, then rotate again.',
  ERR_RECORD_OUTDATED:
    'Sync: nobody has sealed the record for KEYRING_MAX_RECORD_AGE, so it may be an old one put back.',
  ERR_REPLICA_INVALID:
    'Find out who else writes to the replica (KEYRING_REPLICA): what it held was altered, of another keyring or ahead, and not used.',
  ERR_RECORD_TOO_LARGE: 'Remove keys that no value needs.',
  ERR_AUDIT_UNAVAILABLE: 'Make the audit log writable; nothing was changed.',
} as const
