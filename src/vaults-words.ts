/** Remedies as they are for a vault behind references: written for the keyring's Vault, they name settings that a vault has under names of its own. */

/** What a vault shares with the keyring's Vault has one name. */
const OWN = /\bKEYRING_VAULT_(?!ALLOW_HTTP|CACERT|CLIENT|MTLS|TIMEOUT_MS|TLS|VPC)([A-Z\d_]+)/g

/** What is said of keyrings alone; the first ones come first. */
const OF_KEYRINGS = [
  [/ \([^()]+ in KEYRINGS\)/g, ''],
  [/\bKEYRING_VAULT_PATH\b/g, 'the path in the reference'],
  [/[;.] KEYRING_VAULT_HEADERS passes [^.]*/g, ''],
  ['https:// in KEYRING_VAULT_HOST', 'https in KEYRING_VAULT_PROTOCOL'],
] as const

/** @param name that people find the vault under; with a star at its end it stands for settings that begin so. */
export const speltFor =
  (name: string) =>
  (remedy: string): string =>
    OF_KEYRINGS.reduce((text, [written, own]) => text.replace(written, own), remedy).replace(OWN, (_, field: string) =>
      name.endsWith('*') ? name.slice(0, -1) + field : `${name}.config.${field.toLowerCase()}`,
    )
