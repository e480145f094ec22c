/** Settings by reference, `{vault://<env, fs or aws>/<resource>/<key>}`: what their texts are, and that they are read again (`references/live.ts`). */
import type { Parsed } from '../../src/config/answering.ts'
import type { Env } from '../../src/config/setting.ts'
import { parseJson } from '../../src/core/body.ts'
import type { Reference } from '../../src/references/grammar.ts'
import { parseReference } from '../../src/references/grammar.ts'
import type { ReadTexts } from '../../src/references/live.ts'
import { WRAPPING_KEYS, entriesOf, live } from '../../src/references/live.ts'
import type { Stage } from '../../src/vault/managed-secrets.ts'
import type { StagedAnswer } from './secrets-manager.ts'
import { openEndpoint, readSecret } from './secrets-manager.ts'
import { readTextFile } from './text-file.ts'

/** What one look at a vault gives: the rest of a sentence says why there is nothing. `isAbsent` = the vault says that it has none. */
type Found = { readonly text: string } | { readonly why: string; readonly isAbsent?: true }
/** `leftOut` says what is no part of the text. */
type Read = Found | { readonly text: string; readonly leftOut: string }

/** Whether a text is a list of wrapping keys. */
type IsList = (text: string) => boolean
type Backend = (reference: Reference) => Promise<Found>
type Backends = Readonly<Record<'env' | 'fs' | 'aws', Backend>>
/** Nothing of it is quoted. */
const LEFT_OUT = 'has something in AWSPREVIOUS that is no wrapping key beside those of AWSCURRENT; it is left out'
const VAULTS: ReadonlySet<string> = new Set<keyof Backends>(['env', 'fs', 'aws'])

/** @param parse of the environment with the texts in place of the references. */
export function readLive<C>(env: Env, names: readonly string[], parse: (env: Env) => Parsed<C>) {
  const isList: IsList = (text) => {
    const parsed = parse({ ...env, [WRAPPING_KEYS]: text })
    return parsed.ok || parsed.problems.every(({ name }) => name !== WRAPPING_KEYS)
  }
  return live(
    () => readReferences(env, names, isList),
    (texts) => parse({ ...env, ...Object.fromEntries(texts) }),
  )
}

/** @param names of settings. A secret that several of them name is asked for once. */
export async function readReferences(env: Env, names: readonly string[], isList: IsList): Promise<ReadTexts> {
  const backends = backendsOf(env)
  const found = await Promise.all(
    names.map(async (name) => [name, await read(name, env[name] ?? '', backends, isList)] as const),
  )
  return {
    texts: new Map(found.flatMap(([name, one]) => ('text' in one ? [[name, one.text]] : []))),
    problems: found.flatMap(([name, one]) => ('why' in one ? [{ name, message: one.why }] : [])),
    notices: found.flatMap(([name, one]) => ('leftOut' in one ? [`${name} ${one.leftOut}.`] : [])),
  }
}

/** Whether it may name something: nothing is asked. `null` = it may. */
export function referenceTrouble(text: string): string | null {
  const parsed = parseReference(text)
  if (!parsed.ok) return `has a reference that ${parsed.error.message} (character ${parsed.error.at})`
  return VAULTS.has(parsed.reference.vault)
    ? null
    : `has a reference to a vault that is none here: ${[...VAULTS].join(', ')} are`
}

async function read(name: string, text: string, backends: Backends, isList: IsList): Promise<Read> {
  const [trouble, parsed] = [referenceTrouble(text), parseReference(text)]
  if (trouble !== null || !parsed.ok) return { why: trouble ?? '' }
  const { reference } = parsed
  const backend = backends[reference.vault as keyof Backends]
  const isOfTwo = name === WRAPPING_KEYS && reference.vault === 'aws' && reference.version === null
  return isOfTwo ? bothLists(backend, reference, isList) : backend(reference)
}

function backendsOf(env: Env): Backends {
  const ask = asking(env)
  return {
    env: async (reference) => fieldOf(inEnvironment(env, reference), reference.key),
    fs: inFile,
    aws: async (reference) => fieldOf(await ask(reference), reference.key),
  }
}

const option = ({ options }: Reference, name: string): string | undefined => {
  const [value] = options.get(name) ?? []
  return typeof value === 'string' ? value : undefined
}

/** As in Kong the name is in capitals, and version 2 is a variable of its own. */
function inEnvironment(env: Env, reference: Reference): Found {
  const end = reference.version === 2 ? '_PREVIOUS' : ''
  const name = `${option(reference, 'prefix') ?? ''}${reference.resource}`.replaceAll('-', '_').toUpperCase() + end
  const text = env[name]
  return text === undefined ? { why: 'has a reference to a variable that is not set' } : { text }
}

/**
 * The path is the whole reference, from the root of the file system or from `prefix` on; behind the name of a file that ends in `.json`
 * stands the key. One line end at the end of a file is not part of its text.
 */
async function inFile(reference: Reference): Promise<Found> {
  const { resource, key } = reference
  const isJson = key !== null && /\.json$/i.test(resource)
  const path = `${option(reference, 'prefix') ?? ''}/${resource}${key === null || isJson ? '' : `/${key}`}`
  if (!path.startsWith('/') || /\p{Cc}/u.test(path) || path.split('/').some((part) => part === '..' || part === '.'))
    return { why: 'has a reference to a file whose path is not absolute and plain' }
  try {
    const text = (await readTextFile(path)).replace(/\r?\n$/, '')
    return fieldOf(
      text === '' ? { why: 'has a reference to a file that is empty or no text' } : { text },
      isJson ? key : null,
    )
  } catch (error) {
    return { why: `has a reference to a file that cannot be read (${(error as NodeJS.ErrnoException).code})` }
  }
}

const STAGES: Readonly<Record<number, Stage>> = { 1: 'AWSCURRENT', 2: 'AWSPREVIOUS' }

/** Each secret is asked for once, however many settings are fields of it. */
function asking(env: Env): (reference: Reference) => Promise<Found> {
  const asked = new Map<string, Promise<StagedAnswer>>()
  return async (reference) => {
    const open = openEndpoint(env)
    if (open !== undefined) return { why: `has a reference to Secrets Manager, and ${open} is not https` }
    const [stage, region] = [STAGES[reference.version ?? 1], option(reference, 'region')]
    if (stage === undefined) return { why: 'has a reference to a version that Secrets Manager has not: 1 or 2' }
    const name = JSON.stringify([region, reference.resource, stage])
    const answer = asked.get(name) ?? readSecret(reference.resource, stage, region === undefined ? {} : { region })
    asked.set(name, answer)
    const found = await answer
    if ('text' in found) return found
    const why = `has a reference that Secrets Manager does not answer (${found.error})`
    return found.is === 'absent' || found.is === 'binary' ? { why, isAbsent: true } : { why }
  }
}

/** As in Kong a key is a field at the top of a JSON object, and a text. */
function fieldOf(found: Found, key: string | null): Found {
  if (key === null || 'why' in found) return found
  const fields = parseJson(found.text) as Readonly<Record<string, unknown>> | null | undefined
  const value = fields instanceof Object && Object.hasOwn(fields, key) ? fields[key] : undefined
  if (typeof value === 'string') return { text: value }
  return { why: 'has a reference with a key, and what it names is no JSON object with a text under it', isAbsent: true }
}

/**
 * The version before still opens what others have sealed. It is asked for last: whatever changes meanwhile, what was current is in the list.
 * The current one decides: of the version before nothing is taken that makes no list with it.
 */
async function bothLists(ask: Backend, reference: Reference, isList: IsList): Promise<Read> {
  const current = await ask(reference)
  if ('why' in current) return current
  const previous = await ask({ ...reference, version: 2 })
  if ('why' in previous) return previous.isAbsent ? current : previous
  const named = entriesOf(current.text)
  const others = [...entriesOf(previous.text)].flatMap(([name, entry]) => (named.has(name) ? [] : [entry]))
  const text = others.reduce((list, other) => (isList(`${list},${other}`) ? `${list},${other}` : list), current.text)
  return text.split(',').length === named.size + others.length ? { text } : { text, leftOut: LEFT_OUT }
}
