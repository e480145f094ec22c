/** What every vault behind references must do; each backend calls this on its real parts. */
import { afterAll, describe, expect, it } from 'vitest'
import type { SecretBackend } from '../../src/core/secrets.ts'

export interface OpenBackend {
  readonly backend: SecretBackend
  /** Writes the current version of a secret. */
  readonly write: (resource: string, text: string) => Promise<void> | void
  /** Ends it, so that the vault says that there is none. */
  readonly remove: (resource: string) => Promise<void> | void
  readonly close: () => Promise<void> | void
}

export function secretBackendContract(name: string, open: () => Promise<OpenBackend> | OpenBackend): void {
  describe(`the vault ${name}`, () => {
    const opened = Promise.resolve().then(open)
    afterAll(async () => (await opened).close())
    const read = async (resource: string) => {
      const { backend } = await opened
      const signal = new AbortController().signal
      const answer = await backend.read({ resource, version: null }, { insist: 'outage', signal })
      return answer.kind === 'secret' ? answer.text.reveal() : answer.kind
    }

    it('has no secret that nobody wrote', async () => {
      expect(await read('none-such')).toBe('absent')
    })

    it('gives what was written, and what is written next', async () => {
      const { write } = await opened
      await write('app-db', '{"password":"one"}')
      expect(JSON.parse(await read('app-db'))).toEqual({ password: 'one' })
      await write('app-db', '{"password":"zwei, ∞"}')
      expect(JSON.parse(await read('app-db'))).toEqual({ password: 'zwei, ∞' })
    })

    it('says when a secret is gone', async () => {
      const { write, remove } = await opened
      await write('old', '{"password":"one"}')
      await remove('old')
      expect(await read('old')).toBe('absent')
    })
  })
}
