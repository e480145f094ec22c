/** How the dev Vault lists: both versions of KV answer alike. */
import type { VaultAnswer } from './answer.ts'
import { NOTHING, found } from './answer.ts'

/** Lists the names right below a folder; deeper ones show as `folder/`. An empty list is a 404. */
export function listing(paths: Iterable<string>, folder: string): VaultAnswer {
  const prefix = folder === '' || folder.endsWith('/') ? folder : `${folder}/`
  const below = [...paths].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length))
  const keys = [...new Set(below.map((path) => path.replace(/\/.*/, '/')))].sort()
  return keys.length === 0 ? NOTHING : found({ keys })
}
