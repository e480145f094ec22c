/** What every record store must do; each adapter calls this on its real parts. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Bytes } from '../../src/core/bytes.ts'
import { MAX_RECORD_BYTES } from '../../src/core/limits.ts'
import type { RecordStore } from '../../src/core/ports.ts'

export interface OpenStore {
  /** Two handles on the same store: of one process, or of two. */
  readonly handles: readonly [RecordStore, RecordStore]
  close(): Promise<void> | void
}

const bytes = (...values: number[]): Bytes => new Uint8Array(values)

export function recordStoreContract(name: string, open: () => Promise<OpenStore> | OpenStore): void {
  describe(`the record store ${name}`, () => {
    const opened: OpenStore[] = []
    const store = async () => {
      const made = await open()
      opened.push(made)
      return made.handles
    }
    afterEach(async () => {
      for (const made of opened.splice(0)) await made.close()
    })

    it('has nothing at first', async () => {
      const [one] = await store()
      expect(await one.get('k')).toBeNull()
    })

    it('writes the first version only where there is none', async () => {
      const [one] = await store()
      expect(await one.put('k', bytes(1), 0)).toMatchObject({ version: 1 })
      expect(await one.put('k', bytes(2), 0)).toBe('conflict')
      expect(await one.get('k')).toEqual({ bytes: bytes(1), version: 1 })
    })

    it('raises the version by one at each put, and refuses a stale one', async () => {
      const [one] = await store()
      await one.put('k', bytes(1), 0)
      expect(await one.put('k', bytes(2), 1)).toMatchObject({ version: 2 })
      expect(await one.put('k', bytes(3), 1)).toBe('conflict')
      expect(await one.put('k', bytes(3), 7)).toBe('conflict')
      expect(await one.put('none', bytes(3), 1)).toBe('conflict')
      expect(await one.get('k')).toEqual({ bytes: bytes(2), version: 2 })
      expect(await one.get('none')).toBeNull()
    })

    it.each([0, 1])('lets exactly one of two racing writers win at version %i', async (expected) => {
      const [one, two] = await store()
      if (expected === 1) await one.put('k', bytes(9), 0)
      const outcomes = await Promise.all([one.put('k', bytes(1), expected), two.put('k', bytes(2), expected)])
      const winner = outcomes.findIndex((outcome) => outcome !== 'conflict')
      expect(outcomes.filter((outcome) => outcome === 'conflict')).toHaveLength(1)
      expect(await two.get('k')).toEqual({ bytes: bytes(winner + 1), version: expected + 1 })
    })

    it('shows at once what another handle has written', async () => {
      const [one, two] = await store()
      expect(await two.get('k')).toBeNull()
      await one.put('k', bytes(1), 0)
      expect(await two.get('k')).toEqual({ bytes: bytes(1), version: 1 })
      await one.put('k', bytes(2), 1)
      expect(await two.get('k')).toEqual({ bytes: bytes(2), version: 2 })
    })

    it('keeps names apart', async () => {
      const [one] = await store()
      await one.put('keyring/a', bytes(1), 0)
      await one.put('status/a', bytes(2), 0)
      expect([await one.get('keyring/a'), await one.get('status/a')]).toMatchObject([
        { bytes: bytes(1) },
        { bytes: bytes(2) },
      ])
    })

    it('gives back every byte, whatever the caller does with its own afterwards', async () => {
      const [one, two] = await store()
      const all = Uint8Array.from({ length: 256 }, (_, value) => value)
      const given = all.slice()
      await one.put('k', given, 0)
      given.fill(0)
      expect([(await one.get('k'))?.bytes, (await two.get('k'))?.bytes]).toEqual([all, all])
    })

    it('takes a record of 350 KiB, and refuses one byte more', async () => {
      const [one] = await store()
      expect(await one.put('k', new Uint8Array(MAX_RECORD_BYTES), 0)).toMatchObject({ version: 1 })
      await expect(one.put('k', new Uint8Array(MAX_RECORD_BYTES + 1), 1)).rejects.toMatchObject({
        code: 'ERR_RECORD_TOO_LARGE',
      })
      expect(await one.get('k')).toMatchObject({ version: 1 })
    })
  })
}
