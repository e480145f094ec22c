/** The keyring for other Workers of the account, by a service binding. What a caller may do stands in the binding's `props`. */
import { WorkerEntrypoint } from 'cloudflare:workers'
import type { Awaitable } from '../../src/core/awaitable.ts'
import type { Result } from '../../src/core/errors.ts'
import { refusal } from '../../src/core/errors.ts'
import type { Rpc, RpcParts } from '../../src/http/rpc.ts'
import { rpcOf } from '../../src/http/rpc.ts'

type ArgumentOf<Verb extends keyof Rpc> = Parameters<Rpc[Verb]>[0]

/** Callers reach what the prototype has, and nothing private. @param open gives what answers now; `null` = the settings are wrong. */
export const entrypointOf = (open: () => Awaitable<RpcParts | null>) =>
  class extends WorkerEntrypoint implements Rpc {
    encrypt(asked: ArgumentOf<'encrypt'>) {
      return this.#do((rpc) => rpc.encrypt(asked))
    }

    decrypt(asked: ArgumentOf<'decrypt'>) {
      return this.#do((rpc) => rpc.decrypt(asked))
    }

    rewrap(asked: ArgumentOf<'rewrap'>) {
      return this.#do((rpc) => rpc.rewrap(asked))
    }

    encryptBatch(asked: ArgumentOf<'encryptBatch'>) {
      return this.#do((rpc) => rpc.encryptBatch(asked))
    }

    decryptBatch(asked: ArgumentOf<'decryptBatch'>) {
      return this.#do((rpc) => rpc.decryptBatch(asked))
    }

    rewrapBatch(asked: ArgumentOf<'rewrapBatch'>) {
      return this.#do((rpc) => rpc.rewrapBatch(asked))
    }

    resolve(asked: ArgumentOf<'resolve'>) {
      return this.#do((rpc) => rpc.resolve(asked))
    }

    async #do<T>(work: (rpc: Rpc) => Promise<Result<T>>): Promise<Result<T>> {
      const parts = await open()
      return parts === null
        ? refusal('ERR_CONFIG_INVALID', 'The settings of this deployment are wrong; its log names them.')
        : work(rpcOf(parts, this.ctx.props))
    }
  }
