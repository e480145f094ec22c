/** Messages to the authority: each is carried out, arrives as it was sent, and nothing else is taken for one. */
import { describe, expect, it } from 'vitest'
import { decodeUtf8 } from '../../src/core/bytes.ts'
import { refusal, unwrap } from '../../src/core/errors.ts'
import { MAX_RECORD_BYTES } from '../../src/core/limits.ts'
import type { Message, Operation, Push } from '../../src/core/operations.ts'
import { MESSAGES, parseMessage } from '../../src/keyring/message-schema.ts'
import { fromJson, toJson } from '../../src/keyring/messages.ts'
import { PLAIN_SYNC, authorityOn, world } from '../support/authority.ts'
import { NOW, SOURCE, observed } from '../support/observed.ts'
import { secretWorld } from '../support/secrets.ts'

const { address: _, ...SEEN } = SOURCE
const PUSH: Push = {
  source: SEEN,
  observation: observed(['a:1', 'b:2', 'c:3'], '2025-01-01T00:00:00Z', NOW),
  force: false,
  adopt: false,
}
const isPushed = ({ call }: Message): boolean => call === 'offer' || call === 'deliver' || call === 'hand'

const origin = authorityOn(world(['c:3']))
const { sealed } = unwrap(await origin.sync('default', PLAIN_SYNC))

/** In an order in which each can succeed. */
const SENT: { readonly [O in Operation]: Message<O> } = {
  sync: { call: 'sync', keyring: 'default', options: PLAIN_SYNC },
  syncIfDue: { call: 'syncIfDue', keyring: 'default' },
  change: { call: 'change', keyring: 'default', change: { op: 'remove', id: 'a', force: true } },
  read: { call: 'read', keyring: 'default', known: 0 },
  seek: { call: 'seek', keyring: 'default', id: 'zz' },
  rotate: { call: 'rotate', keyring: 'default', dryRun: true },
  offer: { call: 'offer', keyring: 'default', push: PUSH, mountKeeps: null },
  deliver: {
    call: 'deliver',
    keyring: 'default',
    push: PUSH,
    reads: [
      { version: 3, kind: 'key', id: 'c', createdMs: NOW, key: 'a key string of no importance: 0123456789abcdef' },
      { version: 2, kind: 'malformed', why: 'no-id' },
      { version: 1, kind: 'gone' },
    ],
  },
  status: { call: 'status', keyring: 'default' },
  reseal: { call: 'reseal', keyring: 'default' },
  diagnose: { call: 'diagnose', keyring: 'default', login: false },
  import: { call: 'import', keyring: 'default', record: decodeUtf8(sealed) ?? '', force: false },
  resolve: { call: 'resolve', vault: 'hcv', secrets: [{ resource: 'app/db', version: null }], refresh: false },
  cached: { call: 'cached', vault: 'hcv', after: '' },
  refreshIfDue: { call: 'refreshIfDue', vault: 'hcv' },
  summary: { call: 'summary', vault: 'hcv' },
  examine: { call: 'examine', vault: 'hcv', login: false },
  hand: {
    call: 'hand',
    vault: 'hcv',
    source: 'kv',
    secrets: [{ resource: 'app/db', version: null, found: 'secret', text: '{}', at: NOW }],
  },
}
const overJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

describe('a message to the authority', () => {
  it('of each kind is taken from outside, carried out, and its answer arrives', async () => {
    const authority = authorityOn({ ...world(['a:1', 'b:2']), vaults: secretWorld().keepers })
    const vaults = secretWorld({}, {}, { isPushed: true }).keepers
    const pushed = authorityOn({ ...world([]), pushed: SOURCE, vaults })
    const carriedOut: string[] = []
    for (const sent of Object.values(SENT)) {
      const message = parseMessage(overJson(sent))
      expect(message).toEqual(sent)
      const answer = await (isPushed(sent) ? pushed : authority).call(message ?? expect.unreachable())
      expect(answer).toMatchObject({ ok: true })
      expect(fromJson(overJson(toJson(answer)))).toEqual(answer)
      carriedOut.push(sent.call)
    }
    expect(carriedOut.toSorted()).toEqual(Object.keys(MESSAGES).toSorted())
  })

  it('of the schedule may bring what is not taken of the settings, in texts', () => {
    const brought = { ...SENT.syncIfDue, refused: ['A_SETTING is wrong'] }
    expect(parseMessage(brought)).toEqual(brought)
    for (const refused of ['A_SETTING is wrong', [7], null])
      expect(parseMessage({ ...SENT.syncIfDue, refused })).toBeNull()
  })

  it('to resolve may bring who calls, in a text', () => {
    const brought = { ...SENT.resolve, caller: 'orders' }
    expect(parseMessage(brought)).toEqual(brought)
    for (const caller of [7, null]) expect(parseMessage({ ...SENT.resolve, caller })).toBeNull()
  })

  it.each(Object.values(SENT))('$call is refused with a field more, one less, and another keyring', (sent) => {
    expect(parseMessage({ ...sent, more: 1 })).toBeNull()
    for (const name of Object.keys(sent)) expect(parseMessage({ ...sent, [name]: undefined })).toBeNull()
    for (const keyring of ['', '../default', 7]) expect(parseMessage({ ...sent, keyring })).toBeNull()
  })

  it.each([
    ['nothing', null],
    ['a text', 'sync'],
    ['an operation that does not exist', { call: 'forget', keyring: 'default' }],
    ['what every object has', { call: 'constructor', keyring: 'default' }],
    ['options that are not plain', { ...SENT.sync, options: { ...PLAIN_SYNC, token: 7 } }],
    ['an option too many', { ...SENT.sync, options: { ...PLAIN_SYNC, more: true } }],
    ['a change of another kind', { ...SENT.change, change: { op: 'forget', id: 'a', force: true } }],
    ['a key id that is none', { ...SENT.change, change: { op: 'remove', id: 'a b', force: true } }],
    ['a record that is too long', { ...SENT.import, record: 'x'.repeat(MAX_RECORD_BYTES + 1) }],
    ['a time that is none', { ...SENT.deliver, reads: [{ ...SENT.deliver.reads[0], createdMs: 9e15 }] }],
    ['a version of another kind', { ...SENT.deliver, reads: [{ version: 1, kind: 'lost' }] }],
    ['a key without its string', { ...SENT.deliver, reads: [{ ...SENT.deliver.reads[0], key: '' }] }],
    [
      'an observation with a field more',
      { ...SENT.offer, push: { ...PUSH, observation: { ...PUSH.observation, x: 1 } } },
    ],
    ['a source with its address', { ...SENT.offer, push: { ...PUSH, source: SOURCE } }],
    ['a revision that is none', { ...SENT.read, known: Number.NaN }],
  ])('is none: %s', (_name, value) => {
    expect(parseMessage(value)).toBeNull()
  })
})

describe('an answer in JSON', () => {
  it.each([
    ['no bytes', { ok: true, value: new Uint8Array() }],
    ['bytes deep inside', { ok: true, value: [{ at: { once: new Uint8Array([0, 1, 255]) } }, null, 'unchanged'] }],
    ['a failure', refusal('ERR_KEY_IN_USE', 'Some instance may still encrypt with it.', { facts: { allowedFrom: 7 } })],
  ])('keeps %s', (_name, answer) => {
    expect(fromJson(overJson(toJson(answer)))).toEqual(answer)
  })

  it('with bytes that are no base64 has none, and no record is made of them', () => {
    expect(fromJson({ ok: true, value: { $base64: '=' } })).toEqual({ ok: true, value: new Uint8Array() })
  })
})
