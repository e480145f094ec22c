/** What each login method is given: made by `config`, taken by the file of the method in `vault/login`. */
import type { Secret } from './secret.ts'

/** A credential is given in the settings, or in a file that is read anew at each login. */
export type CredentialSource = Secret | { readonly file: string }

interface Mounted {
  /** Mount of the login, without `auth/`. */
  readonly mount: string
}

interface InRole extends Mounted {
  /** '' = Vault's default, where it has one. */
  readonly role: string
}

interface TokenSettings {
  readonly method: 'token'
  readonly token: Secret
}

export interface KubernetesSettings extends InRole {
  readonly method: 'kubernetes'
  readonly jwt: CredentialSource
}

export interface AppRoleSettings extends Mounted {
  readonly method: 'approle'
  readonly roleId: Secret
  /** With `wrapping` this is a wrapping token that holds the secret id. `null` = the role needs none (`bind_secret_id=false`). */
  readonly secretId: CredentialSource | null
  readonly wrapping: boolean
  /** Name of the role that the secret id was made for; '' = any. */
  readonly roleName: string
}

export interface CertSettings extends InRole {
  readonly method: 'cert'
  /** PEM. `null` = the platform presents its own. */
  readonly certificate: { readonly cert: CredentialSource; readonly key: CredentialSource } | null
}

/** An endpoint that answers a GET with this header by a JWT for what runs on the platform. */
export interface IdentityEndpoint {
  readonly url: string
  readonly header: { readonly name: string; readonly value: Secret }
  /** The field of a JSON answer that holds the JWT. `null` = the answer is the JWT. */
  readonly field: string | null
}

export interface JwtSettings extends InRole {
  readonly method: 'jwt'
  readonly jwt: CredentialSource | IdentityEndpoint
}

/** How a client shows a token endpoint who it is: RFC 6749 section 2.3.1, RFC 7523 section 2.2. */
export type OAuth2Client =
  | { readonly auth: 'client_secret_basic' | 'client_secret_post'; readonly secret: Secret }
  /** PEM or a JWK; RSA signs RS256, P-256 ES256, Ed25519 EdDSA. */
  | { readonly auth: 'private_key_jwt'; readonly key: CredentialSource }

export interface OAuth2Settings extends InRole {
  readonly method: 'oauth2'
  /** At least one of the two is given; the endpoint goes before discovery. */
  readonly issuer: string | null
  readonly tokenEndpoint: string | null
  /** Of the certificate of the identity provider: PEM, paths of PEM files, or `system`, separated by commas. `null` = those of the runtime. */
  readonly authorities: Secret | null
  readonly clientId: string
  readonly client: OAuth2Client
  readonly scopes: readonly string[]
  readonly audiences: readonly string[]
  readonly resources: readonly string[]
  /** They are sent as they are, beside those of the protocol. */
  readonly parameters: Readonly<Record<string, string>>
}

export type AwsCredentialSource =
  | {
      readonly from: 'keys'
      readonly accessKeyId: string
      readonly secretAccessKey: Secret
      /** Temporary credentials, such as a Lambda's, have one. */
      readonly sessionToken: Secret | null
    }
  /** A role that is taken with a token of the cluster, without keys of its own. */
  | {
      readonly from: 'web-identity'
      readonly arn: string
      readonly session: string
      readonly token: CredentialSource
    }
  | { readonly from: 'container'; readonly url: string; readonly authorization: CredentialSource | null }
  /** Instance metadata, of version 2 alone. */
  | { readonly from: 'imds'; readonly endpoint: string }

export interface AwsIamSettings extends InRole {
  readonly method: 'aws_iam'
  readonly region: string
  readonly stsEndpoint: string
  /** It goes out as `X-Vault-AWS-IAM-Server-ID`; '' = none. */
  readonly serverId: string
  readonly credentials: AwsCredentialSource
  readonly assume: { readonly arn: string; readonly session: string } | null
}

export interface UserpassSettings extends Mounted {
  readonly method: 'userpass'
  readonly username: string
  readonly password: Secret
}

export type LoginSettings =
  | TokenSettings
  | KubernetesSettings
  | AppRoleSettings
  | CertSettings
  | JwtSettings
  | OAuth2Settings
  | AwsIamSettings
  | UserpassSettings
