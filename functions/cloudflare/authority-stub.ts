/** The Worker's side of the authority, for which each call is one hop to the Durable Object. */
import { within } from '../../src/core/deadline.ts'
import { SYNC_DEADLINE_MS } from '../../src/core/limits.ts'
import type { KeyringAuthority, Message } from '../../src/core/operations.ts'
import { distantAuthority, isLook } from '../../src/keyring/messages.ts'
import { LOOK_MS } from './limits.ts'
import { readAnswer, readUrl } from './read-call.ts'
import { unanswered } from './unanswered.ts'

/** Each deployment has one object, under this name. */
const OBJECT = 'keyring'
/** The object's own deadline comes first, so that its answer says what was slow. */
const WORK_MS = SYNC_DEADLINE_MS + LOOK_MS

/** What is used of the binding of `KeyringObject`, which has all else that there is behind it. */
export interface KeyringObjects {
  idFromName(name: string): DurableObjectId
  get(id: DurableObjectId, where?: { readonly locationHint: DurableObjectLocationHint }): KeyringStub
}

interface KeyringStub {
  fetch(url: string): Promise<Response>
  call(message: Message): Promise<unknown>
}

/** @param locationHint counts when the object is made, at its first use. `null` = it is made near that first request. */
export function objectAuthority(
  objects: KeyringObjects,
  locationHint: DurableObjectLocationHint | null,
): KeyringAuthority {
  const where = locationHint === null ? undefined : { locationHint }
  const id = objects.idFromName(OBJECT)
  return distantAuthority(async (message) => {
    try {
      // A stub belongs to the request that made it, so that each call has a new one.
      const answer = send(objects.get(id, where), message)
      return await within(isLook(message.call) ? LOOK_MS : WORK_MS, answer)
    } catch (error) {
      return unanswered(error)
    }
  })
}

async function send(object: KeyringStub, message: Message): Promise<unknown> {
  return message.call === 'read' ? readAnswer(await object.fetch(readUrl(message))) : object.call(message)
}
