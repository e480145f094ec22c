/** From what Vault and OpenBao answer to a login that does not succeed to an error. Parts of their texts are looked for; none is passed on. */
import type { KeyringErrorCode } from '../../core/errors.ts'
import { KeyringError } from '../../core/errors.ts'
import type { ErrorAnswer, ErrorOf } from '../wire/errors.ts'
import { fromStatus, vaultError } from '../wire/errors.ts'

interface Refusal {
  readonly code: KeyringErrorCode
  /** A part of what the two servers say, or said in earlier releases. */
  readonly says: RegExp
  readonly what: string
}

/** The first one that fits counts. */
const REFUSALS: readonly Refusal[] = [
  {
    code: 'ERR_VAULT_LOGIN_ROOT_POLICY',
    says: /auth methods cannot create root tokens/,
    what: 'gives no root token to a login, and the role grants the policy "root"',
  },
  {
    code: 'ERR_VAULT_LOGIN_ADDRESS_REFUSED',
    says: /CIDR|source address/,
    what: 'does not take this login from the address that it came from',
  },
  {
    code: 'ERR_VAULT_LOGIN_CERTIFICATE_REFUSED',
    says: /client certificate|no chain matching|match all constraints|tls connection required/,
    what: 'refused the login for its client certificate',
  },
  {
    code: 'ERR_VAULT_LOGIN_ROLE_UNKNOWN',
    says: /role .*(could not be found|not found|does not exist)|entry for role|invalid role name/i,
    what: 'does not know the role of the login',
  },
  {
    code: 'ERR_VAULT_LOGIN_CLAIMS_REFUSED',
    says: /claim|audience|not authorized|expired|does not belong to the role|validating token|signature|malformed jwt/i,
    what: 'refused the identity that the login showed',
  },
]

/** Whether this is a 403 without a reason. */
const bare = ({ status, texts }: ErrorAnswer): boolean =>
  status === 403 &&
  texts !== null &&
  texts.every((text) => /^(1 error occurred:\s*\* )?permission denied\s*$/.test(text))

/** Every error of a login has the step `login`. */
export const fromLogin: ErrorOf = (target, answer, retryAfterSeconds) => {
  const { status, texts } = answer
  const facts = { step: 'login', vaultStatus: status }
  const refused = status === 400 || status === 403 || status === 404 || status === 500
  const known = refused ? REFUSALS.find(({ says }) => texts?.some((text) => says.test(text))) : undefined
  if (known !== undefined) return vaultError(known.code, target, known.what, facts)
  const plain = fromStatus(target, answer, retryAfterSeconds)
  if (bare(answer)) return vaultError('ERR_VAULT_LOGIN_DENIED', target, 'refused the login without a reason', facts)
  if (plain.code === 'ERR_VAULT_DENIED' || plain.code === 'ERR_VAULT_REQUEST_REFUSED')
    return vaultError('ERR_VAULT_LOGIN_REFUSED', target, 'refused the login', facts)
  if (status === 500 && plain.code === 'ERR_VAULT_UNAVAILABLE')
    return vaultError('ERR_VAULT_LOGIN_FAILED', target, 'failed at the login', facts)
  return new KeyringError(plain.code, plain.message, { facts: { ...plain.facts, step: 'login' } })
}
