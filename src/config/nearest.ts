/** The setting that a misspelt name is nearest to. Workers and Lambda do without: `nearest.serverless.ts`. */
import { closestMatch } from 'leven'

/** Letters that may differ: enough for KEYRING_VAULT_ADDR, too few for another setting. */
const NEAR = 4

export const nearest = (name: string, names: readonly string[]): string | undefined =>
  closestMatch(name, names, { maxDistance: NEAR })
