/** Who may log in to the dev Vault: roles of `approle`, users of `userpass`. */

export interface Role {
  readonly id: string
  /** The settings of what a login gets, as they were written. */
  settings: Readonly<Record<string, unknown>>
  /** The uses left of each secret id or password; 0 = without limit. */
  readonly secrets: Map<string, number>
  failures: number
}

export interface LoginMount {
  readonly type: 'approle' | 'userpass'
  /** By name. */
  readonly roles: Map<string, Role>
}

export type LoginMounts = Map<string, LoginMount>
