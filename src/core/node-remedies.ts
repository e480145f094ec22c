/** The remedies of what only those can meet who ask Vault from Node or Lambda. Workers do without: `node-remedies.workers.ts`. */
export const NODE_REMEDIES = {
  ERR_VAULT_TLS_UNTRUSTED:
    'Node and Lambda: set KEYRING_VAULT_CACERT to the authority. Workers: give Vault a certificate of a public authority, with its whole chain.',
  ERR_VAULT_TLS_HOST_MISMATCH:
    'Use a name of the certificate in KEYRING_VAULT_HOST or, on Node and Lambda, in KEYRING_VAULT_TLS_SERVER_NAME.',
  ERR_VAULT_TLS_EXPIRED:
    "Renew the certificate in Vault's tls_cert_file, or the authority in KEYRING_VAULT_CACERT, and check the clock here.",
  ERR_VAULT_TLS_CLIENT_CERT:
    'Set KEYRING_VAULT_CLIENT_CERT and KEYRING_VAULT_CLIENT_KEY (Workers: the binding KEYRING_VAULT_MTLS) to a certificate that the tls_client_ca_file of Vault accepts.',
  ERR_VAULT_TLS_TO_PLAINTEXT:
    "Use the port of Vault's TLS listener in KEYRING_VAULT_HOST, or give this one a tls_cert_file and a tls_key_file.",
  ERR_IDENTITY_TOKEN_UNAVAILABLE:
    'Check that this is the platform of KEYRING_VAULT_JWT_SOURCE, and gives the workload an identity: a service account, a managed identity, or the permission id-token: write.',
  ERR_AWS_CREDENTIALS_UNAVAILABLE:
    'Give the function, task or instance a role, or set KEYRING_VAULT_AWS_ACCESS_KEY_ID and KEYRING_VAULT_AWS_SECRET_ACCESS_KEY.',
} as const
