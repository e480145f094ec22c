/** What a test asks of the Worker for logins. */
export interface Call {
  /** Those of one name share what is stored. */
  readonly deployment: string
  readonly settings: Readonly<Record<string, string>>
  /** How far the clock of the login is ahead. */
  readonly aheadMs: number
  /** `null` = not a login: only which credential it would be. */
  readonly vault: { readonly address: string; readonly namespace: string } | null
}
