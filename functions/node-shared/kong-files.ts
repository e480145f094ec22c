/** Kong's own files as settings: a kong.conf as the variables that Kong reads too, and a file of decK's as the list of vaults. */
import { randomUUID } from 'node:crypto'
import type { Env, Problem } from '../../src/config/setting.ts'
import { isSet } from '../../src/config/setting.ts'
import { readTextFile } from './text-file.ts'

interface Taken {
  readonly env: Env
  readonly problems: readonly Problem[]
  readonly notices: readonly string[]
}

/** What is in the files, to be put beside an environment, which wins. */
export type AddKongFiles = (env: Env) => Taken

/** @param variables those that a file of decK's may name. A path is `null` where there is no such file. */
export async function kongFiles(conf: string | null, deck: string | null, variables: Env): Promise<AddKongFiles> {
  const ofConf = conf === null ? nothing : await read('--conf', conf, (text) => withConf(text))
  const ofDeck = deck === null ? nothing : await read('--deck', deck, (text) => withDeck(text, variables))
  return (env) => {
    const first = ofConf(env)
    const second = ofDeck(first.env)
    return {
      env: second.env,
      problems: [...first.problems, ...second.problems],
      notices: [...first.notices, ...second.notices],
    }
  }
}

const nothing: AddKongFiles = (env) => ({ env, problems: [], notices: [] })
const refused =
  (name: string, message: string): AddKongFiles =>
  (env) => ({ env, problems: [{ name, message }], notices: [] })

async function read(flag: string, path: string, take: (text: string) => AddKongFiles | Promise<AddKongFiles>) {
  try {
    return await take(await readTextFile(path))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : null
    if (code === null) throw error
    return refused(flag, `names a file that cannot be read (${code})`)
  }
}

/** Others of Kong's are for a gateway. */
const OURS = /^(?:keyring_|vault_|lua_ssl_trusted_certificate$)/

export function withConf(text: string): AddKongFiles {
  const lines = text.split(/\r?\n/).map((line, index) => ({ line: withoutComment(line), number: index + 1 }))
  const written = lines.filter(({ line }) => line !== '')
  const entries = written.map(({ line, number }) => ({ number, parts: /^([a-z]\w*)\s*=\s*(.*)$/i.exec(line) }))
  const wrong = entries.find(({ parts }) => parts === null)
  if (wrong !== undefined) return refused('--conf', `has a line that is not <name> = <value> (line ${wrong.number})`)
  const all = new Map(entries.map(({ parts }) => [(parts?.[1] ?? '').toLowerCase(), parts?.[2] ?? '']))
  const others = [...all.keys()].filter((name) => !OURS.test(name))
  return (env) => {
    const taken = [...all]
      .filter(([name]) => OURS.test(name) && !isInEnvironment(name, env))
      .map(([name, value]) => [`KONG_${name.toUpperCase()}`, value])
    return {
      env: { ...env, ...Object.fromEntries(taken) },
      problems: [],
      notices: others.length === 0 ? [] : [`--conf: not used here, because it is for a gateway: ${others.join(', ')}.`],
    }
  }
}

/** A `#` that is no comment is written `\#`. */
const withoutComment = (line: string): string =>
  line
    .replace(/(?<!\\)#.*$/, '')
    .replaceAll('\\#', '#')
    .trim()

function isInEnvironment(name: string, env: Env): boolean {
  const capitals = name.toUpperCase()
  return isSet(env, `KONG_${capitals}`) || (capitals.startsWith('KEYRING_') && isSet(env, capitals))
}

/**
 * decK's templates are filled in behind the YAML, so that no value is read as YAML, and in vaults alone, so that nothing else is required.
 * What decK makes of a value for the YAML's sake, such as a number of a text, is of no consequence here: each is read by its field.
 */
export async function withDeck(text: string, variables: Env): Promise<AddKongFiles> {
  const names: string[] = []
  const mark = `deck-${randomUUID()}-`
  const marked = text.replace(
    /\$\{\{\s*env\s+["`]([^"`]*)["`]\s*(?:\|\s*(?:toBool|toFloat|toInt|indent\s+\d+)\s*)?\}\}/g,
    (_, name: string) => `${mark}${names.push(name) - 1}.`,
  )
  const document = await yamlOf(marked)
  if ('line' in document) return refused('--deck', `is not YAML that can be read (line ${document.line})`)
  const { vaults, ...others } = fieldsIn(document.value)
  const problems: Problem[] = []
  const filled = fill(vaults, (one) => {
    if (one.includes('${{')) problems.push({ name: '--deck', message: 'has a template other than ${{ env "DECK_…" }}' })
    return one.replace(new RegExp(`${mark}(\\d+)\\.`, 'g'), (_, index: string) => {
      const name = names[Number(index)] ?? ''
      const trouble = variableTrouble(name, variables)
      if (trouble !== null) problems.push(trouble)
      return variables[name] ?? ''
    })
  })
  if (vaults === undefined) return (env) => ({ ...nothing(env), notices: ['--deck: the file has no vaults.'] })
  const list = JSON.stringify({ ...counted(others), vaults: filled })
  return (env) =>
    isSet(env, 'KEYRING_VAULTS')
      ? refused('KEYRING_VAULTS', 'is set beside --deck: set one of the two')(env)
      : { env: { ...env, KEYRING_VAULTS: list }, problems: distinct(problems), notices: [] }
}

async function yamlOf(text: string): Promise<{ readonly value: unknown } | { readonly line: number }> {
  // It is CommonJS, of which a bundle that loads it later knows the default alone.
  const { LineCounter, parseDocument } = (await import('yaml')).default
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' })
  const [error] = document.errors
  if (error !== undefined) return { line: lines.linePos(error.pos[0]).line }
  try {
    return { value: document.toJS() as unknown }
  } catch {
    // Aliases that are none, or too many.
    return { line: 1 }
  }
}

function variableTrouble(name: string, variables: Env): Problem | null {
  if (!/^DECK_\w+$/.test(name)) return { name: '--deck', message: 'takes a variable that does not begin with DECK_' }
  return isSet(variables, name) ? null : { name, message: 'is required: the file of --deck takes it' }
}

const distinct = (problems: readonly Problem[]): readonly Problem[] => [
  ...new Map(problems.map((each) => [`${each.name} ${each.message}`, each])).values(),
]

const fieldsIn = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {}

/** Only how many there are is told. */
const counted = (others: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(
    Object.entries(others).map(([name, value]) => [name, Array.isArray(value) ? value.map(() => 0) : 0]),
  )

function fill(value: unknown, text: (one: string) => string): unknown {
  if (typeof value === 'string') return text(value)
  if (Array.isArray(value)) return value.map((each) => fill(each, text))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, fill(each, text)]))
}
