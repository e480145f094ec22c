/** Reads of Vault, and the one write, with the token handled inside: whoever asks knows neither tokens nor logins. */
import { KeyringError } from '../core/errors.ts'
import type { Insistence } from '../core/ports.ts'
import type { Secret } from '../core/secret.ts'
import type { ErrorOf } from './wire/errors.ts'
import { deniedAnew } from './wire/errors.ts'
import type { TokenInUse, TokenLife } from './token/life.ts'
import type { Refusal } from './token/state.ts'
import type { VaultRead, VaultReply, VaultTransport } from './wire/transport.ts'

interface VaultQuestion extends Omit<VaultRead, 'query'> {
  readonly body: object
}

interface VaultWrite extends VaultQuestion {
  /** It says what a refusal means. */
  readonly errorOf: ErrorOf
}

export interface VaultReader {
  /** A 403 leads to one new login at most, and to one retry. */
  get(request: VaultRead): Promise<VaultReply>
  /** Asks for what a policy may well deny: a 403 leads to nothing. */
  probe(request: VaultRead): Promise<VaultReply>
  /** Asks a question that is a POST, as `probe` does. */
  post(request: VaultQuestion): Promise<VaultReply>
  /** A 403 leads to what it does for a read. It is sent once: an answer may get lost. */
  write(request: VaultWrite): Promise<VaultReply>
}

/** Reads with a token that the operator, or the caller of one sync, has given: it is never stored, renewed, shared or revoked. */
export function givenTokenReader(transport: VaultTransport, token: Secret): VaultReader {
  const get = (request: VaultRead) => transport.get({ ...request, token: token.reveal() })
  const post = (request: VaultQuestion) => transport.post({ ...request, token: token.reveal(), step: 'question' })
  return { get, probe: get, post, write: post }
}

/** Reads with the token that the deployment shares (`token/shared.ts`), which is fetched when there is none. */
export function sharedTokenReader(
  transport: VaultTransport,
  tokens: TokenLife,
  insist: Insistence = 'none',
): VaultReader {
  const ask = (request: VaultRead, { text: token }: TokenInUse) => transport.get({ ...request, token })
  const tell = (request: VaultWrite, { text: token }: TokenInUse) =>
    transport.post({ ...request, token, step: 'question' })

  async function send(signal: AbortSignal, by: (token: TokenInUse) => Promise<VaultReply>): Promise<VaultReply> {
    const token = await tokens.token(signal, insist)
    return by(token).catch((error: unknown) => again(signal, by, error, token.generation))
  }

  async function again(
    signal: AbortSignal,
    by: (token: TokenInUse) => Promise<VaultReply>,
    refused: unknown,
    generation: number,
  ): Promise<VaultReply> {
    const refusal = refusalOf(refused, generation)
    const next = refusal && (await tokens.after(refusal, signal, insist))
    if (next === null) throw refused
    return by(next).catch(async (error: unknown) => {
      const second = refusalOf(error, next.generation)
      if (second !== null) await tokens.giveUp(second)
      throw error instanceof KeyringError ? deniedAnew(error) : error
    })
  }

  return {
    get: (request) => send(request.signal, (token) => ask(request, token)),
    write: (request) => send(request.signal, (token) => tell(request, token)),
    probe: async (request) => ask(request, await tokens.token(request.signal, insist)),
    async post(request) {
      const { text: token } = await tokens.token(request.signal, insist)
      return transport.post({ ...request, token, step: 'question' })
    },
  }
}

/** `null` = the error is no 403. */
function refusalOf(error: unknown, generation: number): Refusal | null {
  if (!(error instanceof KeyringError) || error.code !== 'ERR_VAULT_DENIED') return null
  return { generation, by: error.facts['denied'] === 'policy' ? 'policy' : 'token' }
}
