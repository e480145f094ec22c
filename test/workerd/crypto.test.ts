/** Both ciphers in workerd: WebCrypto, and node:crypto, by which callers that cannot wait go there too. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ACCUMULATED, accumulatedHash, randomStream } from '../support/shake.ts'
import type { Workerd } from '../support/workerd.ts'
import { startWorkerd } from '../support/workerd.ts'

const NAMES = ['node:crypto', 'WebCrypto']
let folder: string
let workerd: Workerd

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  workerd = await startWorkerd(folder, [{ name: 'crypto', entry: join(import.meta.dirname, 'crypto-service.ts') }])
})
afterAll(async () => {
  await workerd.kill()
  rmSync(folder, { recursive: true })
})

const ask = (path: string, body?: BodyInit): Promise<Response> =>
  fetch(`${workerd.url('crypto')}/${path}`, { method: 'POST', body: body ?? null })

describe.each(NAMES)('%s in workerd', (name) => {
  const through = `through=${encodeURIComponent(name)}`

  it('agrees with the vectors of C2SP and Wycheproof', async () => {
    expect(await (await ask(`vectors?${through}`)).json()).toEqual([])
  })

  it("agrees with C2SP's 10,000 accumulated values", async () => {
    const { iterations, hash } = ACCUMULATED
    const sealed = await ask(`accumulated?${through}&iterations=${iterations}`, randomStream(iterations))
    expect(accumulatedHash(new Uint8Array(await sealed.arrayBuffer()))).toBe(hash)
  })
})

it('what either seals is opened by both, and no tag of another length is taken', async () => {
  const tags = [4, 12, 13, 15, 17].map((bytes) => `tag of ${bytes}: ERR_DECRYPT_FAILED`)
  expect(await (await ask('crossed')).json()).toEqual(
    NAMES.flatMap((from) => NAMES.flatMap((to) => [`${from} to ${to}: grüße aus dem Netz`, ...tags])),
  )
})
