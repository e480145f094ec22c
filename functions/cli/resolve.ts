/** What resolves references for a command: the deployment, or the server here, or neither: then the vaults are asked straight. */
import type { Env } from '../../src/config/setting.ts'
import { namesOfVaults } from '../../src/config/vaults-set.ts'
import { Failure } from './failure.ts'
import { printable } from '../../src/core/printable.ts'
import { ask, unknown } from './answer.ts'
import { openServing } from './open-target.ts'
import { parseAnswer, resolvedBody } from './schema.ts'
import type { AnsweredReference, KongFiles, Resolver } from './straight.ts'
import type { Target } from './target.ts'

/** As many as one request takes. */
const BATCH = 1000

/** @throws a Failure. */
async function openResolver(env: Env, files: KongFiles, refresh: boolean): Promise<Resolver> {
  const target = files.conf + files.deck === '' ? await openServing(env) : null
  if (target === null) return (await import('./straight.ts')).straight(env, files)
  tellUnused(namesOfVaults(env))
  return asked(target, refresh)
}

/** Whoever set them may take the values for those of their vaults. */
function tellUnused(names: readonly string[]): void {
  if (names.length === 0) return
  const all = printable(names.join(', '), 512)
  console.error(`note: not used: ${all}: what answers has vaults of its own; --conf and --deck name others.`)
}

function asked(target: Target, refresh: boolean): Resolver {
  const batch = async (references: readonly string[]) => {
    const answer = await ask(target, 'POST', '/secrets/resolve', { references, refresh })
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

export async function withResolver<T>(
  files: KongFiles,
  work: (resolve: Resolver['resolve']) => Promise<T>,
  refresh = false,
): Promise<T> {
  const resolver = await openResolver(process.env, files, refresh)
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
