/**
 * The remedies of what only those can meet who ask Vault, or log in to it: functions that never do need not carry them. An error that
 * comes from elsewhere has its remedy along.
 */
import { NODE_REMEDIES } from '#platform/core/node-remedies'

export const VAULT_REMEDIES = {
  ...NODE_REMEDIES,

  ERR_VAULT_UNREACHABLE: 'Check KEYRING_VAULT_HOST and the network; what is stored goes on serving.',
  ERR_VAULT_TIMEOUT: 'Check that Vault answers; KEYRING_VAULT_TIMEOUT_MS is how long to wait.',
  ERR_VAULT_TLS_FAILED:
    'Check that KEYRING_VAULT_HOST speaks TLS 1.2 or newer, and KEYRING_VAULT_CACERT, …_CLIENT_CERT, …_TLS_SERVER_NAME.',
  ERR_VAULT_PLAINTEXT_TO_TLS: 'Use https:// in KEYRING_VAULT_HOST.',
  ERR_VAULT_REDIRECTED:
    'Set KEYRING_VAULT_HOST to the address that answers itself; tokens go to no other host. KEYRING_VAULT_HEADERS passes a login page such as Cloudflare Access.',
  ERR_VAULT_SEALED: 'Unseal Vault, or initialise a new one; what is stored goes on serving.',
  ERR_VAULT_NOT_INITIALIZED: 'Initialise and unseal Vault, or check that KEYRING_VAULT_HOST names the right one.',
  ERR_VAULT_STANDBY:
    "Wait for an active node, or set KEYRING_VAULT_HOST to the cluster's own address; what is stored goes on serving.",
  ERR_VAULT_UNAVAILABLE: 'Try again when Vault is healthy; what is stored goes on serving.',
  ERR_VAULT_RATE_LIMITED: 'Wait, or raise the quota in Vault.',
  ERR_VAULT_DENIED: 'Check that the token is live (KEYRING_VAULT_TOKEN) and its policies let it read the secret.',
  ERR_VAULT_LOGIN_REFUSED: 'Correct role or credential of the login; a new one is tried at once.',
  ERR_VAULT_LOGIN_DENIED:
    'Check the mount of the login (a missing one answers so), whether Vault locked the role out after five failures (sys/locked-users; 15 minutes), and for kubernetes whether Vault reaches the cluster.',
  ERR_VAULT_LOGIN_FAILED:
    'Check role and credential: many methods answer 500 to what they do not like. Else see the log of Vault.',
  ERR_VAULT_LOGIN_ROOT_POLICY: 'Take the policy "root" from the role or identity; name one that reads the keyring.',
  ERR_VAULT_LOGIN_ADDRESS_REFUSED: 'Add the address of requests to the bound CIDRs, or remove those.',
  ERR_VAULT_LOGIN_CERTIFICATE_REFUSED:
    'Send a client certificate that the role allows (authority, common name, alternative names).',
  ERR_VAULT_LOGIN_ROLE_UNKNOWN: 'Check role and mount of the login.',
  ERR_VAULT_LOGIN_CLAIMS_REFUSED:
    'Compare bound claims, audience and accounts of the role with the token that is sent, and its times with the clock.',
  ERR_VAULT_LOGIN_MFA: 'Take the role out of MFA enforcement: nobody is there to confirm.',
  ERR_VAULT_NAMESPACE_IGNORED:
    'Use Vault Enterprise or OpenBao, or remove the namespace: this server answers from the root.',
  ERR_VAULT_MOUNT_NOT_FOUND: 'Check KEYRING_VAULT_MOUNT and KEYRING_VAULT_PATH ("mount" and "path" in KEYRINGS).',
  ERR_VAULT_NAMESPACE_NOT_FOUND: 'Check KEYRING_VAULT_NAMESPACE.',
  ERR_VAULT_KV_VERSION: 'Name a KV mount in KEYRING_VAULT_MOUNT, and its version in KEYRING_VAULT_KV.',
  ERR_VAULT_KV_LAYOUT: 'Write each version as a secret named by its number.',
  ERR_VAULT_REQUEST_REFUSED: 'Check mount, path and the versions of Vault and edge-keyring.',
  ERR_VAULT_ANSWER_INVALID:
    'Check that KEYRING_VAULT_HOST names Vault, not a page of a proxy; KEYRING_VAULT_HEADERS passes one that asks for headers.',
  ERR_VAULT_PATH_INVALID:
    'Remove empty, "." and ".." segments, backslashes and control characters from mount and path.',
  ERR_CREDENTIAL_MALFORMED: 'Pass the token as printable ASCII without spaces.',
  ERR_LEASE_HELD: 'Try again.',

  ERR_LOGIN_CREDENTIAL_UNREADABLE: 'Make the file named by the setting readable, or give the credential itself.',
  ERR_LOGIN_CREDENTIAL_MALFORMED: 'Correct the credential in the setting named, or in its file.',
  ERR_WRAP_TOKEN_SPENT:
    'Unless you know who opened it, the secret id is stolen: destroy it, see the audit log of Vault, and give a new wrapping token in KEYRING_VAULT_APPROLE_SECRET_ID.',
  ERR_WRAP_PATH_MISMATCH:
    'Treat the secret id as stolen: another may have been wrapped. Check KEYRING_VAULT_APPROLE_ROLE_NAME and KEYRING_VAULT_APPROLE_AUTH_PATH, and give a new wrapping token.',
  ERR_WRAP_RESULT_LOST: 'Give a new wrapping token in KEYRING_VAULT_APPROLE_SECRET_ID; what this one held was lost.',
  ERR_OAUTH2_UNAVAILABLE: 'Check that the identity provider answers (KEYRING_VAULT_OAUTH2_TOKEN_ENDPOINT).',
  ERR_OAUTH2_CLIENT_REFUSED:
    'Check KEYRING_VAULT_OAUTH2_CLIENT_ID, its secret or key, KEYRING_VAULT_OAUTH2_CLIENT_AUTH, and that the client may use client credentials.',
  ERR_OAUTH2_TARGET_REFUSED:
    'Check KEYRING_VAULT_OAUTH2_RESOURCE, KEYRING_VAULT_OAUTH2_AUDIENCES and KEYRING_VAULT_OAUTH2_SCOPES.',
  ERR_OAUTH2_REQUEST_REFUSED: 'See the log of the identity provider; check KEYRING_VAULT_OAUTH2_*.',
  ERR_OAUTH2_ANSWER_INVALID: 'Check that KEYRING_VAULT_OAUTH2_TOKEN_ENDPOINT or _ISSUER names the identity provider.',
  ERR_OAUTH2_ISSUER_MISMATCH: 'Write KEYRING_VAULT_OAUTH2_ISSUER exactly as the identity provider does.',
  ERR_OAUTH2_TOKEN_OPAQUE:
    'Ask for a JWT: KEYRING_VAULT_OAUTH2_RESOURCE or KEYRING_VAULT_OAUTH2_AUDIENCES must name an API with such tokens.',
  ERR_AWS_UNAVAILABLE: 'Check the network, and what is set of AWS: addresses, credentials.',
  ERR_AWS_ROLE_REFUSED:
    'Check the role that is set (assume_role_arn, or AWS_ROLE_ARN of EKS), that its trust policy names us, and that we may call sts:AssumeRole.',
} as const
