/**
 * What is an outage, and what is a refusal: the one table. An outage is tried again soon and ends no token. A refusal has judged what
 * was sent, so that the same again is no help; Vault locks some logins out after five. A defect of ours is neither, and is in no row.
 * `docs/outages.md` is made from it.
 */
import type { KeyringError, KeyringErrorCode } from '../../core/errors.ts'

/** What was asked for, and of whom; `question` = any other POST to Vault. */
export type VaultStep = 'read' | 'login' | 'renewal' | 'wrap' | 'question'
type Step = VaultStep | 'identity provider' | 'STS'

/** An answer, as far as the table looks at it. */
export interface Answered {
  readonly step: Step
  readonly status: number
  /** What it says in the form of whoever was asked, such as `errors[]`; `null` = in no such form: a page, half an answer, nothing. */
  readonly texts: readonly string[] | null
}

export interface OutageRow {
  /** Absent = each of Vault's. */
  readonly steps?: readonly Step[]
  /** From and to. Absent = any. */
  readonly status?: readonly [number, number]
  /** Absent = either. */
  readonly body?: 'theirs' | 'foreign'
  /** A part of a text. Parts alone are looked for, because servers and releases differ. */
  readonly says?: RegExp
  /** `null` = a refusal, which has its code from what it says. */
  readonly outage: {
    readonly code: KeyringErrorCode
    /** The rest of a sentence that begins with who was asked. */
    readonly what: string
  } | null
  /** Which requests are sent again at once, three in all. A login and a renewal are where the answer cannot be final. */
  readonly again?: 'reads' | 'all'
  /** Vault cannot have done what was asked for: a wrapping token is still whole. */
  readonly isUntouched?: true
}

const BOTH_OTHERS = ['identity provider', 'STS'] as const
const exactly = (status: number): readonly [number, number] => [status, status]

/** Who was asked has three forms of the same three rows. */
const ofOthers = (step: 'identity provider' | 'STS', code: KeyringErrorCode): readonly OutageRow[] => [
  { steps: [step], status: exactly(408), outage: { code, what: 'cannot answer now' } },
  { steps: [step], status: exactly(429), outage: { code, what: 'limits the rate of requests' } },
  { steps: [step], status: [500, 599], outage: { code, what: 'cannot answer now' } },
  {
    steps: [step],
    status: [200, 299],
    body: 'foreign',
    outage: { code, what: 'does not answer: a page of something in front of it does' },
  },
]

const DR = { code: 'ERR_VAULT_STANDBY', what: 'is a secondary for disaster recovery, which serves nobody' } as const

/** The first one that fits counts. */
export const ROWS: readonly OutageRow[] = [
  {
    steps: ['STS'],
    says: /<Code>(Throttling\w*|RequestLimitExceeded|ServiceUnavailable|InternalFailure|IDPCommunicationError)</,
    outage: { code: 'ERR_AWS_UNAVAILABLE', what: 'cannot answer now' },
  },
  ...ofOthers('STS', 'ERR_AWS_UNAVAILABLE'),
  ...ofOthers('identity provider', 'ERR_OAUTH2_UNAVAILABLE'),
  { steps: BOTH_OTHERS, outage: null },
  { says: /is sealed/, outage: { code: 'ERR_VAULT_SEALED', what: 'is sealed' }, isUntouched: true },
  {
    status: exactly(472),
    outage: DR,
    isUntouched: true,
  },
  {
    says: /DR secondary/i,
    outage: DR,
    isUntouched: true,
  },
  {
    status: exactly(473),
    outage: { code: 'ERR_VAULT_STANDBY', what: 'is a performance standby that does not forward now' },
    isUntouched: true,
  },
  {
    says: /active cluster node not found|node is not active|no active Vault instance|local node not active|forward to the active node/,
    outage: { code: 'ERR_VAULT_STANDBY', what: 'is a standby whose cluster has no active node now' },
    again: 'all',
    isUntouched: true,
  },
  {
    status: exactly(501),
    body: 'theirs',
    outage: { code: 'ERR_VAULT_NOT_INITIALIZED', what: 'is not initialised' },
    isUntouched: true,
  },
  {
    says: /not initialized/,
    outage: { code: 'ERR_VAULT_NOT_INITIALIZED', what: 'is not initialised' },
    isUntouched: true,
  },
  {
    status: exactly(429),
    outage: { code: 'ERR_VAULT_RATE_LIMITED', what: 'limits the rate of requests' },
    again: 'all',
    isUntouched: true,
  },
  {
    says: /cannot write to (readonly|read-only) storage|cannot write to storage during setup/i,
    outage: { code: 'ERR_VAULT_UNAVAILABLE', what: 'cannot write to its storage now' },
    again: 'reads',
  },
  {
    status: exactly(400),
    says: /Upgrading from non-versioned|Waiting for the primary to upgrade/,
    outage: { code: 'ERR_VAULT_UNAVAILABLE', what: 'is still making the mount ready' },
    again: 'reads',
  },
  {
    status: [502, 503],
    body: 'foreign',
    outage: { code: 'ERR_VAULT_UNAVAILABLE', what: 'is not reached by what stands in front of it' },
    again: 'all',
  },
  {
    status: [500, 599],
    body: 'foreign',
    outage: { code: 'ERR_VAULT_UNAVAILABLE', what: 'is not reached by what stands in front of it' },
    again: 'reads',
  },
  {
    body: 'foreign',
    outage: { code: 'ERR_VAULT_ANSWER_INVALID', what: 'answered with a body that is not of its API' },
  },
  { says: /missing client token|no handler for route|namespace not found/, outage: null },
  { steps: ['renewal'], status: exactly(500), says: /past the max TTL/i, outage: null },
  {
    steps: ['login'],
    status: exactly(500),
    outage: { code: 'ERR_VAULT_LOGIN_FAILED', what: 'failed at the login' },
  },
  {
    status: exactly(412),
    outage: { code: 'ERR_VAULT_UNAVAILABLE', what: 'has not yet caught up' },
    again: 'all',
  },
  { status: [502, 503], outage: { code: 'ERR_VAULT_UNAVAILABLE', what: 'cannot answer now' }, again: 'all' },
  { status: [500, 599], outage: { code: 'ERR_VAULT_UNAVAILABLE', what: 'cannot answer now' }, again: 'reads' },
  { outage: null },
]

interface Silence {
  readonly codes: readonly KeyringErrorCode[]
  readonly isUntouched?: true
}

/** Whoever was asked has not answered, or nobody was asked at all. `isUntouched` as in a row. Their words: tools/outages-doc.ts. */
export const WITHOUT_ANSWER = {
  tls: {
    codes: [
      'ERR_VAULT_TLS_UNTRUSTED',
      'ERR_VAULT_TLS_HOST_MISMATCH',
      'ERR_VAULT_TLS_EXPIRED',
      'ERR_VAULT_TLS_CLIENT_CERT',
      'ERR_VAULT_TLS_TO_PLAINTEXT',
      'ERR_VAULT_TLS_FAILED',
      'ERR_VAULT_PLAINTEXT_TO_TLS',
    ],
    isUntouched: true,
  },
  redirect: { codes: ['ERR_VAULT_REDIRECTED'], isUntouched: true },
  silence: { codes: ['ERR_VAULT_UNREACHABLE', 'ERR_VAULT_TIMEOUT'] },
  others: { codes: ['ERR_OAUTH2_UNAVAILABLE', 'ERR_AWS_UNAVAILABLE'] },
  platform: { codes: ['ERR_IDENTITY_TOKEN_UNAVAILABLE', 'ERR_AWS_CREDENTIALS_UNAVAILABLE'] },
  unsent: {
    codes: [
      'ERR_LOGIN_CREDENTIAL_UNREADABLE',
      'ERR_LOGIN_CREDENTIAL_MALFORMED',
      'ERR_STORE_UNAVAILABLE',
      'ERR_RECORD_INVALID',
      'ERR_WRAPPING_KEY_MISSING',
      'ERR_LEASE_HELD',
    ],
  },
} as const satisfies Readonly<Record<string, Silence>>
const SILENCES: readonly Silence[] = Object.values(WITHOUT_ANSWER)

/** The row of an answer that is no success: the last one fits each. */
export const rowOf = (answer: Answered): OutageRow => ROWS.find((row) => fits(row, answer)) ?? { outage: null }

function fits({ steps, status, body, says }: OutageRow, answer: Answered): boolean {
  const isOfStep = steps === undefined ? !isOther(answer.step) : steps.includes(answer.step)
  const [from, to] = status ?? [0, 999]
  const isOfBody = body === undefined || (body === 'foreign') === (answer.texts === null)
  const isSaid = says === undefined || (answer.texts?.some((text) => says.test(text)) ?? false)
  return isOfStep && answer.status >= from && answer.status <= to && isOfBody && isSaid
}

const isOther = (step: Step): boolean => step === 'identity provider' || step === 'STS'

/** Whether a request of that step is sent again at once. What may have consumed what it was about never is. */
export function isSentAgain(step: VaultStep, { again }: OutageRow): boolean {
  if (step === 'read') return again !== undefined
  return again === 'all' && (step === 'login' || step === 'renewal')
}

const OUTAGES: ReadonlySet<KeyringErrorCode> = new Set([
  ...ROWS.flatMap(({ outage }) => outage?.code ?? []),
  ...SILENCES.flatMap(({ codes }) => codes),
])

/** Whether that code passes by itself: each code is either. */
export const isOutage = (code: KeyringErrorCode): boolean => OUTAGES.has(code)

const UNTOUCHED: ReadonlySet<KeyringErrorCode> = new Set([
  ...ROWS.flatMap(({ outage, isUntouched }) => (isUntouched && outage !== null ? [outage.code] : [])),
  ...SILENCES.flatMap(({ codes, isUntouched }) => (isUntouched ? codes : [])),
])

/** Whether Vault cannot have done what it was asked for. A connection that was refused, or has no name to go to, tells that too. */
export const isUntouched = ({ code, facts }: KeyringError): boolean =>
  UNTOUCHED.has(code) ||
  (code === 'ERR_VAULT_UNREACHABLE' &&
    (facts['step'] === 'dns' || ['ECONNREFUSED', 'EPROXY'].includes(String(facts['reason']))))
