/**
 * Names every item that is sealed for a login, so that a new wrapping key reaches all of them (`eki1`, docs/formats.md). An item is
 * named before it is written. A name gives no right: what stands under it is verified like anything that is stored.
 */
import { parseJson } from '../../core/body.ts'
import { decodeUtf8 } from '../../core/bytes.ts'
import { KeyringError, settle } from '../../core/errors.ts'
import { SYNC_ATTEMPTS } from '../../core/limits.ts'
import type { RecordStore } from '../../core/ports.ts'
import type { ItemSealer } from '../../crypto/seal-item.ts'
import type { KeyChecks } from '../../crypto/wrapping.ts'
import { isOther, parseSigned } from '../../crypto/wrapping.ts'

const NAME = 'index/sealed'
const FORMAT = 'eki1'

interface Content {
  readonly items: readonly string[]
  readonly checks: KeyChecks
}
const EMPTY: Content = { items: [], checks: {} }

type Loaded = Content & {
  readonly version: number
  /** The wrapping-key id under which it was verified; `null` = it was not. */
  readonly by: string | null
  /** What it says before that, to choose an error alone. `null` = nothing. */
  readonly claimed: Pick<Content, 'checks'> | null
}

export class SealedIndex {
  readonly #store: RecordStore
  readonly #sealer: () => Promise<ItemSealer>

  constructor(store: RecordStore, sealer: () => Promise<ItemSealer>) {
    this.#store = store
    this.#sealer = sealer
  }

  async names(): Promise<readonly string[]> {
    return (await this.#load()).items
  }

  /** @throws `ERR_WRAPPING_KEY_WRONG`: what the first wrapping key seals under its id others would not open. */
  add(name: string): Promise<void> {
    return this.#change(({ items }) => (items.includes(name) ? items : [...items, name]))
  }

  /** Takes names out, and signs under the first wrapping key whatever is left. One that was altered is left to the next item. */
  drop(names: readonly string[]): Promise<void> {
    return this.#change(({ items }) => items.filter((name) => !names.includes(name)))
  }

  /** An item that does not open may well be sealed with another key under that id. */
  async isSealedWithOther(id: string): Promise<boolean> {
    const [{ claimed }, key] = [await this.#load(), await this.#keyOf(id)]
    return claimed !== null && key !== undefined && isOther(claimed.checks, key)
  }

  async #change(next: (held: Content) => readonly string[]): Promise<void> {
    const [first] = (await this.#sealer()).keys
    for (let attempt = 0; attempt < SYNC_ATTEMPTS; attempt += 1) {
      const { version, by, claimed, ...held } = await this.#load()
      if (claimed !== null && isOther(claimed.checks, first)) throw wrongKey(first.wrappingKeyId)
      const items = next(held)
      const isSame = items.length === held.items.length && by === first.wrappingKeyId
      if (isSame || (items.length === 0 && by === null)) return
      const checks = { ...held.checks, [first.wrappingKeyId]: first.check }
      const bytes = await first.sign(FORMAT, JSON.stringify({ ...held, items, checks }))
      if ((await this.#store.put(NAME, bytes, version)) !== 'conflict') return
    }
    throw new KeyringError('ERR_SYNC_CONTENDED', 'Others kept writing what is stored of the Vault login.')
  }

  async #keyOf(id: string) {
    return (await this.#sealer()).keys.find(({ wrappingKeyId }) => wrappingKeyId === id)
  }

  /**
   * One that was altered counts as never written: an item is named again when it is read or written. The names are taken as they are
   * where the key of the index is not configured, so that it is known what needs that key.
   */
  async #load(): Promise<Loaded> {
    const stored = await this.#store.get(NAME)
    const signed = stored && (await settle(() => parseSigned(stored.bytes)))
    if (stored === null || !signed?.ok) return { ...EMPTY, version: stored?.version ?? 0, by: null, claimed: null }
    const { wrappingKeyId: id, text } = signed.value
    const said = parsed(decodeUtf8(text) ?? '')
    const isVerified = await this.#isVerified(signed.value)
    const content = isVerified === false ? EMPTY : said
    return { ...content, version: stored.version, by: isVerified ? id : null, claimed: { checks: said.checks } }
  }

  /** `null` = its key is not configured. */
  async #isVerified(signed: ReturnType<typeof parseSigned>): Promise<boolean | null> {
    const key = await this.#keyOf(signed.wrappingKeyId)
    if (key === undefined) return null
    return signed.format === FORMAT && (await key.verify(signed)) !== null
  }
}

/** What is not a list of names, and checks beside it, is empty. Fields that are not known are kept. */
function parsed(text: string): Content {
  const said = parseJson(text) as Partial<Content> | null | undefined
  const isRight =
    Array.isArray(said?.items) && said.items.every((name) => typeof name === 'string') && said.checks instanceof Object
  return isRight ? (said as Content) : EMPTY
}

export function wrongKey(id: string): KeyringError {
  return new KeyringError(
    'ERR_WRAPPING_KEY_WRONG',
    `What the settings give as wrapping key "${id}" is not what sealed the Vault login under that id.`,
    { facts: { wrappingKey: id } },
  )
}
