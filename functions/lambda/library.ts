/** `edge-keyring/lambda`: a keyring in a function of an application, out of the DynamoDB table that the sync function writes. */
import { systemClock } from '../../src/core/clock.ts'
import type { LibraryKeyring } from '../../src/library/library.ts'
import type { OpenOptions } from '../../src/library/open.ts'
import { openLibrary } from '../../src/library/open.ts'
import type { ReadableStore } from '../../src/core/ports.ts'
import { NOBODY, storeAuthority } from '../../src/library/reading.ts'
import type { Given } from '../../src/library/settings.ts'
import { SettingsReading, usingConfig } from '../../src/library/settings.ts'
import { nodeCipher, nodeHash } from '../node-shared/cipher.ts'
import { nodeNonces } from '../node-shared/nonces.ts'
import { invokingAuthority } from './authority.ts'
import { dynamoReader } from './dynamo-reader.ts'
import { named, reached, tableIn } from './given-settings.ts'
import { FRESHNESS } from './limits.ts'

export * from '../../src/library/exports.ts'

export interface LambdaOptions extends OpenOptions {
  /** Where records are, in place of KEYRING_TABLE. */
  readonly store?: ReadableStore
}

/** @param env settings by name. @throws `ERR_CONFIG_INVALID`, `ERR_STORE_UNAVAILABLE`, `ERR_KEYRING_NOT_FOUND`, and what the record is refused for. */
export async function openKeyring(env: Given = process.env, options: LambdaOptions = {}): Promise<LibraryKeyring> {
  const reading = new SettingsReading(env)
  const config = usingConfig(reading)
  reading.needs('KEYRING_WRAPPING_KEYS', 'those of the sync function, or what was derived from them')
  const table = tableIn(reading, 'KEYRING_TABLE')
  const sync = reading.value('KEYRING_SYNC_FUNCTION', named(/^[A-Za-z0-9_:-]{1,170}$/, 'a Lambda function'), '')
  if (options.store === undefined) reading.needs('KEYRING_TABLE', 'the name of the DynamoDB table')
  const way = reached(reading, env, options.store === undefined)
  reading.end()
  const primitives = { cipher: nodeCipher, hash: nodeHash, clock: systemClock }
  const store = options.store ?? dynamoReader({ ...way, table, clock: systemClock })
  const beyond = sync === '' ? NOBODY : invokingAuthority({ ...way, syncFunction: sync, rotateFunction: sync })
  return openLibrary(
    {
      ...primitives,
      config,
      authority: storeAuthority({ ...primitives, store }, config, beyond),
      replica: null,
      background: null,
      synchronous: nodeCipher,
      nonces: { ...nodeNonces, ahead: 0, invocation },
      freshness: FRESHNESS,
    },
    options,
  )
}

/** Invocations that a wrapper has told of, and values for which nothing told any. */
let [told, untold] = [0, 0]

/** What was drawn ahead of a freeze may be drawn again behind it, so that nothing is kept where invocations cannot be told apart. */
function invocation(): string | number {
  const trace = process.env['_X_AMZN_TRACE_ID']
  if (trace === undefined && told === 0) return (untold -= 1)
  return trace === undefined ? told : `${told} ${trace}`
}

/** A handler whose invocations are told apart also where Lambda gives no trace id. */
export const invoked =
  <Asked extends readonly unknown[], Answer>(handler: (...asked: Asked) => Answer) =>
  (...asked: Asked): Answer => {
    told += 1
    return handler(...asked)
  }
