/** What the nonces of `ek1` may share, for how long, and what never happens to them. */
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { nodeNonces } from '../../functions/node-shared/nonces.ts'
import { copyBytes, toHex, utf8 } from '../../src/core/bytes.ts'
import type { Cipher, NonceRules } from '../../src/core/ports.ts'
import type { Ek1Key } from '../../src/crypto/ek1.ts'
import { decryptEk1, ek1Key, parseEk1, sealEk1 } from '../../src/crypto/ek1.ts'
import { Encryptor } from '../../src/crypto/encryptor.ts'
import { materialFromString } from '../../src/crypto/material.ts'
import { CIPHERS } from '../support/ciphers.ts'

const NONE = utf8('')
const MINUTES = 60_000

const keyOf = async (id: string, cipher: Cipher = nodeCipher): Promise<Ek1Key> =>
  ek1Key(cipher, id, await materialFromString(cipher, nodeHash, `key string of no importance: ${id}`))

/** The two halves of a value's nonce, in hex. */
function nonceOf(value: string): { prefix: string; rest: string } {
  const { payload } = parseEk1(value)
  return { prefix: toHex(payload.subarray(16, 28)), rest: toHex(payload.subarray(28, 40)) }
}

async function encryptorOn(more: Partial<NonceRules> = {}, cipher: Cipher = nodeCipher) {
  const clock = { time: 1_700_000_000_000, now: () => clock.time }
  const state = { invocation: 0 }
  const rules = { ...nodeNonces, invocation: () => state.invocation, ...more }
  const encryptor = new Encryptor(cipher, clock, rules)
  const [a, b] = [await keyOf('a', cipher), await keyOf('b', cipher)]
  const next = async (key = a) => nonceOf(await encryptor.encrypt(key, 'x', NONE))
  return { clock, state, encryptor, a, b, next }
}

describe.each(CIPHERS)('an encryptor through $name', ({ cipher }) => {
  it('keeps one beginning for each key, and draws the rest for each value', async () => {
    const { next, a, b } = await encryptorOn({}, cipher)
    const [ofA, ofB] = [
      [await next(a), await next(a)],
      [await next(b), await next(b)],
    ]
    expect(new Set(ofA.map(({ prefix }) => prefix)).size).toBe(1)
    expect(new Set([...ofA, ...ofB].map(({ prefix }) => prefix)).size).toBe(2)
    expect(new Set([...ofA, ...ofB].map(({ rest }) => rest)).size).toBe(4)
  })

  it('derives one message key for all of them', async () => {
    const derived = vi.fn<Cipher['messageKey']>((...given) => cipher.messageKey(...given))
    const { next } = await encryptorOn({}, { ...cipher, messageKey: derived })
    for (let times = 0; times < 40; times += 1) await next()
    expect(derived).toHaveBeenCalledTimes(1)
  })

  it('draws all of a nonce for each value that must not be linked', async () => {
    const { next } = await encryptorOn({ unlinkable: true }, cipher)
    const nonces = [await next(), await next(), await next()]
    expect(new Set(nonces.map(({ prefix }) => prefix)).size).toBe(3)
    expect(new Set(nonces.map(({ rest }) => rest)).size).toBe(3)
  })
})

describe('a beginning', () => {
  it('serves 65,536 values and no more', async () => {
    const { next } = await encryptorOn()
    const first = await next()
    let last = first
    for (let times = 1; times < 65_536; times += 1) last = await next()
    expect(last.prefix).toBe(first.prefix)
    expect((await next()).prefix).not.toBe(first.prefix)
  })

  it('serves for ten minutes of steady use', async () => {
    const { next, clock } = await encryptorOn()
    const began = clock.time
    const first = await next()
    for (clock.time += 1000; clock.time < began + 10 * MINUTES; clock.time += 1000)
      expect((await next()).prefix).toBe(first.prefix)
    expect((await next()).prefix).not.toBe(first.prefix)
  })

  it.each([
    ['a pause of more than a second', 1001],
    ['a clock that went back', -1001],
  ])('is dropped after %s, and what was drawn ahead with it', async (_name, stepMs) => {
    const drawn = vi.spyOn(crypto, 'getRandomValues')
    const { next, clock } = await encryptorOn()
    const first = await next()
    clock.time += 1000
    expect((await next()).prefix).toBe(first.prefix)
    const before = drawn.mock.calls.length
    clock.time += stepMs
    expect((await next()).prefix).not.toBe(first.prefix)
    expect(drawn.mock.calls.slice(before).map(([bytes]) => bytes?.byteLength)).toEqual([12, 192])
    drawn.mockRestore()
  })

  it('is dropped with the invocation', async () => {
    const { next, state } = await encryptorOn()
    const first = await next()
    state.invocation += 1
    expect((await next()).prefix).not.toBe(first.prefix)
  })

  it('holds its bounds however calls interleave', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('a', 'b', 'wait', 'idle', 'reset', 'invoke'), { maxLength: 60 }),
        fc.scheduler(),
        async (steps, scheduler) => {
          const slow: Cipher = {
            ...nodeCipher,
            messageKey: scheduler.scheduleFunction(async (...given) => nodeCipher.messageKey(...given)),
          }
          const { encryptor, clock, state, ...keys } = await encryptorOn({}, slow)
          let epoch = 0
          const made: { key: string; epoch: number; invocation: number; time: number; value: Promise<string> }[] = []
          for (const step of steps) {
            if (['idle', 'reset', 'invoke'].includes(step)) epoch += 1
            if (step === 'wait') clock.time += 900
            else if (step === 'idle') clock.time += 1500
            else if (step === 'reset') encryptor.reset()
            else if (step === 'invoke') state.invocation += 1
            else
              made.push({
                key: step,
                epoch,
                invocation: state.invocation,
                time: clock.time,
                value: Promise.resolve(encryptor.encrypt(keys[step as 'a'], 'x', NONE)),
              })
            if (scheduler.count() > 0 && step !== 'wait') await scheduler.waitOne()
          }
          await scheduler.waitAll()
          const [nonces, runs] = [new Set<string>(), new Map<string, Set<string>>()]
          for (const { key, epoch, value } of made) {
            const { prefix, rest } = nonceOf(await value)
            nonces.add(prefix + rest)
            runs.set(prefix, (runs.get(prefix) ?? new Set()).add(`${key} ${epoch}`))
          }
          expect(nonces.size).toBe(made.length)
          expect([...runs.values()].every(({ size }) => size === 1)).toBe(true)
        },
      ),
      { numRuns: 100 },
    )
  })
})

describe('what is drawn', () => {
  it('is nothing while the module is loaded and the encryptor is made', async () => {
    const drawn = vi.spyOn(crypto, 'getRandomValues')
    vi.resetModules()
    const { Encryptor: Again } = await import('../../src/crypto/encryptor.ts')
    const again = new Again(nodeCipher, { now: () => 0 }, nodeNonces)
    expect(again).toBeInstanceOf(Again)
    expect(drawn).not.toHaveBeenCalled()
    drawn.mockRestore()
  })

  it.each([
    [16, [12, 192, 192]],
    [0, [12, ...Array.from({ length: 17 }, () => 12)]],
  ])('is %d ends of nonces ahead, and no more', async (ahead, lengths) => {
    const drawn = vi.spyOn(crypto, 'getRandomValues')
    const { next } = await encryptorOn({ ahead })
    for (let times = 0; times < 17; times += 1) await next()
    expect(drawn.mock.calls.map(([bytes]) => bytes?.byteLength)).toEqual(lengths)
    drawn.mockRestore()
  })

  /** The generator of each copy goes on from the same state, so that both are given the same bytes. */
  function copies(): () => void {
    let seed = 0
    const drawn = vi.spyOn(crypto, 'getRandomValues').mockImplementation((bytes) => {
      const view = new Uint8Array((bytes as Uint8Array).buffer)
      for (let index = 0; index < view.length; index += 1) view[index] = seed = (seed * 48_271 + 11) % 2_147_483_647
      return bytes
    })
    return () => (drawn.mockClear(), (seed = 0))
  }

  it.each([true, false])(
    'by two images of one process is the same until each is reset (unlinkable: %s)',
    async (unlinkable) => {
      const restore = copies()
      const image = async (isReset: boolean) => {
        restore()
        const { next, encryptor } = await encryptorOn({ unlinkable })
        const before = await next()
        if (isReset) encryptor.reset()
        return [before, await next(), await next(), await next()].map(({ prefix, rest }) => prefix + rest)
      }
      expect(await image(false)).toEqual(await image(false))
      const [[, ...one], [, ...other]] = [await image(true), await image(true)]
      vi.restoreAllMocks()
      expect(new Set([...one, ...other]).size).toBe(6)
      expect(new Set([...one, ...other].map((nonce) => nonce.slice(0, 24))).size).toBe(unlinkable ? 6 : 2)
    },
  )

  it('before a reset is not used after it, also while a key is being derived', async () => {
    let derive = () => {}
    const held = new Promise<void>((resolve) => (derive = resolve))
    const slow: Cipher = {
      ...nodeCipher,
      messageKey: async (...given) => (await held, nodeCipher.messageKey(...given)),
    }
    const { encryptor, a } = await encryptorOn({}, slow)
    const begun = encryptor.encrypt(a, 'x', NONE)
    encryptor.reset()
    derive()
    const [before, after] = [nonceOf(await begun), nonceOf(await encryptor.encrypt(a, 'x', NONE))]
    expect(after.prefix).not.toBe(before.prefix)
  })

  it('has every byte that resets have mixed in, of each of them', async () => {
    const [first, zeros] = [Uint8Array.from({ length: 24 }, (_, index) => index + 1), new Uint8Array(24)]
    const given = [first, zeros]
    vi.spyOn(crypto, 'getRandomValues').mockImplementation((bytes) => bytes)
    const { encryptor, next } = await encryptorOn({ fresh: () => given.shift() ?? zeros })
    encryptor.reset()
    encryptor.reset()
    const { prefix, rest } = await next()
    vi.restoreAllMocks()
    expect(prefix + rest).toBe(toHex(first))
  })

  it('begun in an invocation is not used in the next, also where its key is derived late', async () => {
    const held = Promise.withResolvers<void>()
    const slow: Cipher = {
      ...nodeCipher,
      messageKey: async (...given) => (await held.promise, nodeCipher.messageKey(...given)),
    }
    const { encryptor, state, a, next } = await encryptorOn({}, slow)
    const begun = encryptor.encrypt(a, 'x', NONE)
    state.invocation += 1
    held.resolve()
    const { prefix } = nonceOf(await begun)
    expect((await next()).prefix).not.toBe(prefix)
  })

  it.each([Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY])('is whole for %d values that follow', async (values) => {
    const { encryptor, a } = await encryptorOn()
    const ends = encryptor.endsFor(values)
    const rests: string[] = []
    for (let times = 0; times < 3; times += 1) rests.push(nonceOf(await encryptor.encrypt(a, 'x', NONE, ends)).rest)
    expect(new Set([...rests.map((rest) => rest.slice(12)), '0'.repeat(12)]).size).toBe(4)
  })

  it('is refused where a byte of it is missing', async () => {
    const { encryptor, a } = await encryptorOn({ fresh: (length) => new Uint8Array(length - 1) })
    expect(() => encryptor.reset()).toThrow(TypeError)
    const messageKey = await nodeCipher.messageKey(a.cipherKey, new Uint8Array(12))
    expect(() => sealEk1(nodeCipher, a, messageKey, new Uint8Array(23), 'x', NONE)).toThrow(TypeError)
    expect(() => nodeCipher.seal(messageKey, new Uint8Array(11), 'x', NONE)).toThrow(TypeError)
    const into = new Uint8Array(4)
    for (const start of [-1, 1, 0.5, Number.NaN]) expect(() => copyBytes(4, into, start, into)).toThrow(TypeError)
  })

  it('by two encryptors never meets', async () => {
    const [one, other] = [await encryptorOn(), await encryptorOn()]
    const nonces: string[] = []
    for (let times = 0; times < 100; times += 1)
      for (const { next } of [one, other]) nonces.push(Object.values(await next()).join(''))
    expect(new Set(nonces).size).toBe(200)
    expect(new Set(nonces.map((nonce) => nonce.slice(0, 24))).size).toBe(2)
  })
})

describe('a decryptor', () => {
  const counted = () => {
    const derived = vi.fn<Cipher['messageKey']>((...given) => nodeCipher.messageKey(...given))
    return { derived, cipher: { ...nodeCipher, messageKey: derived } }
  }

  async function values(count: number, key: Ek1Key): Promise<string[]> {
    const { encryptor } = await encryptorOn({ unlinkable: true })
    const made: string[] = []
    for (let times = 0; times < count; times += 1) made.push(await encryptor.encrypt(key, 'x', NONE))
    return made
  }

  it('derives a key once that has opened a value', async () => {
    const { derived, cipher } = counted()
    const key = await keyOf('a')
    const made = await values(64, key)
    for (let times = 0; times < 3; times += 1)
      for (const value of made) await decryptEk1(cipher, key, parseEk1(value), NONE)
    expect(derived).toHaveBeenCalledTimes(64)
  })

  it('keeps the 64 that were used last', async () => {
    const { derived, cipher } = counted()
    const key = await keyOf('a')
    const made = await values(65, key)
    const open = async (value: string | undefined) => {
      derived.mockClear()
      await decryptEk1(cipher, key, parseEk1(value ?? ''), NONE)
      return derived.mock.calls.length
    }
    for (const value of made.slice(0, 64)) expect(await open(value)).toBe(1)
    expect(await open(made[0])).toBe(0)
    expect(await open(made[64])).toBe(1)
    expect(await open(made[0])).toBe(0)
    expect(await open(made[1])).toBe(1)
  })

  it('keeps none that has opened nothing, so that made-up values push nothing out', async () => {
    const { derived, cipher } = counted()
    const key = await keyOf('a')
    const [good = ''] = await values(1, key)
    await decryptEk1(cipher, key, parseEk1(good), NONE)
    const made = await values(70, key)
    for (const value of made)
      await expect(async () => decryptEk1(cipher, key, parseEk1(value), utf8('another'))).rejects.toMatchObject({
        code: 'ERR_DECRYPT_FAILED',
      })
    derived.mockClear()
    await decryptEk1(cipher, key, parseEk1(good), NONE)
    expect(derived).not.toHaveBeenCalled()
    await decryptEk1(cipher, key, parseEk1(made[0] ?? ''), NONE)
    expect(derived).toHaveBeenCalledTimes(1)
  })

  it('has none of a key that was opened anew', async () => {
    const { derived, cipher } = counted()
    const [key, again] = [await keyOf('a'), await keyOf('a')]
    const [value = ''] = await values(1, key)
    for (const each of [key, again, key, again]) await decryptEk1(cipher, each, parseEk1(value), NONE)
    expect(derived).toHaveBeenCalledTimes(2)
  })
})

it('text with a lone surrogate is refused', async () => {
  const { encryptor, a } = await encryptorOn()
  await expect(async () => encryptor.encrypt(a, '\uD800', NONE)).rejects.toMatchObject({ code: 'ERR_TEXT_INVALID' })
})
