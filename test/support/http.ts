/** The HTTP app on parts in memory: whoever asks may do everything unless told otherwise, and a defect is thrown. */
import type { HttpParts } from '../../src/http/app.ts'
import { createHttp } from '../../src/http/app.ts'
import { NO_VAULTS } from '../../src/http/call.ts'
import { rareRoutes } from '../../src/http/rare-routes.ts'

export const httpOn = (parts: Pick<HttpParts, 'keyring' | 'clock'> & Partial<HttpParts>) =>
  createHttp({
    authenticate: () => ({ name: 'test', grants: new Set(['admin']) }),
    vaults: NO_VAULTS,
    audit: { note: () => {}, commit: async () => {} },
    loadRoutes: () => rareRoutes,
    onDefect: (error) => {
      throw error
    },
    ...parts,
  })
