/** What resolves references for a command: the deployment, or the server or store here. What asks the vaults straight, without either, takes its place here. */
import type { Env } from '../../src/config/setting.ts'
import { Failure } from './failure.ts'
import { printable } from '../../src/core/printable.ts'
import { ask, unknown } from './answer.ts'
import { openTarget } from './open-target.ts'
import type { ResolvedBody } from './schema.ts'
import { parseAnswer, resolvedBody } from './schema.ts'

type AnsweredReference = ResolvedBody['secrets'][number]

interface Resolver {
  /** For people. */
  readonly where: string
  /** In the order of the references. @throws a Failure where nothing at all is answered. */
  readonly resolve: (references: readonly string[]) => Promise<readonly AnsweredReference[]>
  readonly close: () => Promise<void>
}

/** As many as one request takes. */
const BATCH = 1000

/** @throws a Failure; `ERR_STORE_UNAVAILABLE`. */
async function openResolver(env: Env): Promise<Resolver> {
  const target = await openTarget(env)
  const batch = async (references: readonly string[]) => {
    const answer = await ask(target, 'POST', '/secrets/resolve', { references })
    const { secrets } = parseAnswer(target, resolvedBody, answer)
    if (secrets.length !== references.length) throw unknown(target, 'an answer for other references')
    return secrets
  }
  return {
    where: target.where,
    async resolve(references) {
      const all: AnsweredReference[] = []
      for (let start = 0; start < references.length; start += BATCH)
        all.push(...(await batch(references.slice(start, start + BATCH))))
      return all
    },
    close: target.close,
  }
}

export async function withResolver<T>(work: (resolve: Resolver['resolve']) => Promise<T>): Promise<T> {
  const resolver = await openResolver(process.env)
  console.error(resolver.where)
  try {
    return await work(resolver.resolve)
  } finally {
    await resolver.close()
  }
}

/** @param place '' = there is nothing to say of it. @throws a Failure where there is none. */
export function valueAnswered({ value, error }: AnsweredReference, place = ''): string {
  if (value !== undefined) return value
  const { code, message, remedy } = error ?? { code: 'ERR_INTERNAL', message: 'There is no value.', remedy: '' }
  const at = place === '' ? '' : `${printable(place, 128)}: `
  throw new Failure(1, { ...error, code, detail: `${at}${message}`, remedy }, [`${code}: ${at}${message}`, remedy])
}
