/** What every store of secrets must do; each adapter calls this on its real parts. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Bytes } from '../../src/core/bytes.ts'
import type { ItemStore } from '../../src/core/secrets.ts'

export interface OpenItems {
  /** Two handles on the same store. Its clock says `now`. */
  readonly open: (now: () => number) => readonly [ItemStore, ItemStore]
  close(): Promise<void> | void
}

const START = 1_790_000_000_000
const HOUR = 3_600_000
const bytes = (...values: number[]): Bytes => new Uint8Array(values)

export function itemStoreContract(name: string, made: () => Promise<OpenItems> | OpenItems): void {
  describe(`the store of secrets ${name}`, () => {
    const opened: OpenItems[] = []
    afterEach(async () => {
      for (const one of opened.splice(0)) await one.close()
    })
    const store = async () => {
      const one = await made()
      opened.push(one)
      const clock = { time: START }
      return { clock, handles: one.open(() => clock.time) }
    }
    const times = { due: START + HOUR, expires: START + 2 * HOUR }

    it('has nothing at first', async () => {
      const { handles } = await store()
      expect(await handles[0].get('v', 'a')).toBeNull()
      expect(await handles[0].due('v', START + HOUR, 10)).toEqual([])
      expect(await handles[0].list('v', '', 10)).toEqual([])
    })

    it('gives back what was put, in its group alone', async () => {
      const [one, two] = (await store()).handles
      const version = await one.put('v', 'a', bytes(1, 2), 0, times)
      expect(await two.get('v', 'a')).toEqual({ bytes: bytes(1, 2), version })
      expect(await two.get('w', 'a')).toBeNull()
    })

    it('refuses a put that expects another version', async () => {
      const [one, two] = (await store()).handles
      const first = await one.put('v', 'a', bytes(1), 0, times)
      expect(await two.put('v', 'a', bytes(2), 0, times)).toBe('conflict')
      const second = await two.put('v', 'a', bytes(2), Number(first), times)
      expect(Number(second)).toBeGreaterThan(Number(first))
      expect(await one.put('v', 'a', bytes(3), Number(first), times)).toBe('conflict')
      expect(await one.put('v', 'none', bytes(3), 1, times)).toBe('conflict')
      expect((await one.get('v', 'a'))?.bytes).toEqual(bytes(2))
    })

    it('lets one of many win', async () => {
      const [one, two] = (await store()).handles
      const all = await Promise.all([one, two, one, two].map((handle, at) => handle.put('v', 'a', bytes(at), 0, times)))
      expect(all.filter((outcome) => outcome !== 'conflict')).toHaveLength(1)
    })

    it('deletes a version, and no later one', async () => {
      const [one] = (await store()).handles
      const first = Number(await one.put('v', 'a', bytes(1), 0, times))
      const second = Number(await one.put('v', 'a', bytes(2), first, times))
      await one.delete('v', 'a', first)
      expect((await one.get('v', 'a'))?.version).toBe(second)
      await one.delete('v', 'a', second)
      expect(await one.get('v', 'a')).toBeNull()
      expect(Number(await one.put('v', 'a', bytes(3), 0, times))).toBeGreaterThan(0)
    })

    it('forgets what has expired: to reads, to lists, and to a put', async () => {
      const { clock, handles } = await store()
      const [one, two] = handles
      const first = Number(await one.put('v', 'a', bytes(1), 0, times))
      clock.time = times.expires
      expect(await two.get('v', 'a')).toBeNull()
      expect(await two.list('v', '', 10)).toEqual([])
      expect(await two.due('v', clock.time, 10)).toEqual([])
      const later = { due: clock.time + HOUR, expires: clock.time + HOUR }
      const second = Number(await two.put('v', 'a', bytes(2), 0, later))
      expect(second).toBeGreaterThan(first)
      expect((await one.get('v', 'a'))?.bytes).toEqual(bytes(2))
    })

    it('names what is due, the longest due first, and no more than asked for', async () => {
      const { clock, handles } = await store()
      const [one, two] = handles
      const expires = START + 9 * HOUR
      await one.put('v', 'late', bytes(1), 0, { due: START + 3 * HOUR, expires })
      await one.put('v', 'soon', bytes(1), 0, { due: START + HOUR, expires })
      await one.put('v', 'next', bytes(1), 0, { due: START + 2 * HOUR, expires })
      await one.put('v', 'never', bytes(1), 0, { due: Number.POSITIVE_INFINITY, expires })
      clock.time = START + 3 * HOUR
      expect(await two.due('v', clock.time, 10)).toEqual(['soon', 'next', 'late'])
      expect(await two.due('v', START + 2 * HOUR, 1)).toEqual(['soon'])
    })

    it('takes times that are no whole milliseconds', async () => {
      const [one, two] = (await store()).handles
      const between = { due: START + HOUR + 0.25, expires: START + 2 * HOUR + 0.25 }
      const first = Number(await one.put('v', 'a', bytes(1), 0, between))
      expect(Number(await two.put('v', 'a', bytes(2), first, between))).toBeGreaterThan(first)
      expect(await one.due('v', START + HOUR, 10)).toEqual([])
      expect(await one.due('v', START + HOUR + 1, 10)).toEqual(['a'])
    })

    it('takes an item of 350 KiB, and refuses one byte more', async () => {
      const [one] = (await store()).handles
      expect(await one.put('v', 'a', new Uint8Array(350 * 1024), 0, times)).not.toBe('conflict')
      const larger = one.put('v', 'b', new Uint8Array(350 * 1024 + 1), 0, times)
      await expect(larger).rejects.toMatchObject({ code: 'ERR_RECORD_TOO_LARGE' })
    })

    it('keeps for good what never expires', async () => {
      const { clock, handles } = await store()
      const [one, two] = handles
      const never = { due: Number.POSITIVE_INFINITY, expires: Number.POSITIVE_INFINITY }
      const version = await one.put('v', 'a', bytes(1), 0, never)
      clock.time += 1e6 * HOUR
      expect(await two.get('v', 'a')).toEqual({ bytes: bytes(1), version })
      expect(await two.put('v', 'a', bytes(2), 0, never)).toBe('conflict')
      expect(await two.list('v', '', 10)).toEqual(['a'])
    })

    it('lists names in their order, page by page', async () => {
      const [one, two] = (await store()).handles
      for (const each of ['b', 'c', 'a']) await one.put('v', each, bytes(1), 0, times)
      await one.put('w', 'z', bytes(1), 0, times)
      expect(await two.list('v', '', 2)).toEqual(['a', 'b'])
      expect(await two.list('v', 'b', 2)).toEqual(['c'])
    })
  })
}
