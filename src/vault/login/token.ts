import type { Secret } from '../../core/secret.ts'

/** One small file for each login method; each gives the token to use now. */
export interface Login {
  token(signal: AbortSignal): Promise<string>
}

/** A token that the operator, or the caller of one sync, has given. */
export const tokenLogin = (secret: Secret): Login => ({ token: async () => secret.reveal() })
