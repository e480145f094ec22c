/** Whoever pushes, in memory: the command's own steps from the fake source to an authority, and ports for faults between them. */
import { pushOnce } from '../../functions/cli/push.ts'
import type { Pushing } from '../../src/app.ts'
import { unwrap } from '../../src/core/errors.ts'
import { SOURCE } from './observed.ts'
import type { Verbs } from './verbs.ts'

export interface Pusher {
  /** @returns the version that it wrote; `null` = none. @throws what it was refused for. */
  push(rotates: boolean): Promise<number | null>
}

/** @param hop carries one request there, and its answer back. */
export function pusherTo(
  authority: Verbs,
  ports: Pick<Pushing, 'pairs' | 'sink'>,
  hop: <T>(what: string, carry: () => Promise<T>) => Promise<T> = async (_what, carry) => carry(),
): Pusher {
  const { address: _address, ...source } = SOURCE
  const deployment: Parameters<typeof pushOnce>[0] = {
    offer: (push, mountKeeps) =>
      hop('offer', async () => unwrap(await authority.call({ call: 'offer', keyring: 'default', push, mountKeeps }))),
    deliver: (push, pairs) =>
      hop('deliver', async () => {
        const reads = pairs.map((read) => (read.kind === 'key' ? { ...read, key: read.key.reveal() } : read))
        return unwrap(await authority.call({ call: 'deliver', keyring: 'default', push, reads }))
      }),
  }
  return {
    async push(rotates) {
      const { rotation } = await pushOnce(deployment, { ...ports, source }, rotates)
      return rotation?.version ?? null
    },
  }
}
