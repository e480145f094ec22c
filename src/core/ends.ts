/** What ends by itself, such as a token or a certificate, and how long before that people hear of it: 30, 7 and 1 days. */

const DAY_MS = 86_400_000
const BANDS = [1, 7, 30] as const
/** Days before the end, at most; 0 = it is over. */
export type Band = (typeof BANDS)[number] | 0
/** From here on a person has to do something. */
const NEEDED_DAYS = 7
/** Something renews what lives for a short time, so that of its life only the last quarter counts. */
const LATE = 1 / 4

const ENDING = {
  'vault-token': {
    words: "Vault's token",
    remedy: 'Give a new one in KEYRING_VAULT_TOKEN, or use a login method.',
  },
  'secret-id': {
    words: 'The secret id of the login',
    remedy: 'Give a new one in KEYRING_VAULT_APPROLE_SECRET_ID.',
  },
  'client-certificate': {
    words: 'The client certificate',
    remedy: 'Renew the client certificate.',
  },
  'vault-certificate': { words: "Vault's certificate", remedy: "Renew Vault's certificate." },
  'api-token': {
    words: 'The API token',
    remedy: 'Put another one beside it (KEYRING_API_TOKENS), and give that to its callers.',
  },
  rotation: {
    words: 'The time for a rotation that is due',
    remedy:
      'Find out why it does not happen: does the schedule run? edge-keyring rotate --dry-run says what is in the way.',
  },
  versions: {
    words: 'The room for versions at Vault',
    remedy:
      'The rotation after the next one would prune a key: raise max_versions of the secret, or remove keys that nobody needs.',
  },
} as const

export interface End {
  readonly what: keyof typeof ENDING
  /** Which one, where there are several; `null` = there is one. */
  readonly name: string | null
  /** When its life began, in milliseconds since 1970; `null` = that does not matter. */
  readonly since: number | null
  /** Milliseconds since 1970. */
  readonly at: number
}

/** `null` = not yet. */
export function bandOf({ at, since }: End, now: number): Band | null {
  const left = at - now
  if (left <= 0) return 0
  if (since !== null && left >= (at - since) * LATE) return null
  return BANDS.find((days) => left <= days * DAY_MS) ?? null
}

export interface Warning {
  readonly what: End['what']
  readonly name: string | null
  readonly at: string
  readonly days: Band
  readonly detail: string
  readonly remedy: string
}

/** What people hear of now, the soonest first. What another release knows is left out. */
export const warningsOf = (ends: readonly End[], now: number): Warning[] =>
  ends
    .filter(({ what }) => Object.hasOwn(ENDING, what))
    .toSorted((one, other) => one.at - other.at)
    .flatMap((end) => {
      const days = bandOf(end, now)
      // It lets nobody in any more, and may stay in the settings.
      if (days === null || (days === 0 && end.what === 'api-token')) return []
      const { what, name } = end
      const { words, remedy } = ENDING[what]
      const at = new Date(end.at).toISOString()
      const detail = `${words}${name === null ? '' : ` "${name}"`} ${days === 0 ? 'was over' : 'is over'} at ${at}.`
      return [{ what, name, at, days, detail, remedy }]
    })

export const isNeeded = ({ days }: Pick<Warning, 'days'>): boolean => days <= NEEDED_DAYS
