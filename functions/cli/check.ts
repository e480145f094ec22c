/** `edge-keyring check`: whether an environment will do for a platform, by the parse of the start, before it is deployed. */
import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import type { Parsed } from '../../src/config/answering.ts'
import { ANSWERING_SETTINGS, readAnswering } from '../../src/config/answering.ts'
import { parseConfig } from '../../src/config/config.ts'
import { readEntities } from '../../src/config/entities.ts'
import { withoutOthers } from '../../src/config/others.ts'
import type { Env, Problem, Runtime, Table } from '../../src/config/setting.ts'
import { isRead } from '../../src/config/setting.ts'
import type { VaultTls } from '../../src/config/vault.ts'
import { parseJson } from '../../src/core/body.ts'
import { readCron } from '../../src/core/cadence.ts'
import { kongFiles } from '../node-shared/kong-files.ts'
import { referencesIn } from '../../src/config/names.ts'
import { referenceTrouble } from '../node-shared/references.ts'
import { readSettings } from '../node-shared/settings.ts'
import { readTls } from '../node-shared/tls-files.ts'
import type { Outcome } from './command.ts'
import { failed, wrongSettings } from './failure.ts'

const PLATFORMS = ['node', 'workers', 'lambda'] as const
export type Platform = (typeof PLATFORMS)[number]

/** What one process gets. A value that is known only at the deployment is an object here, or a text with a reference in it. */
type Given = Readonly<Record<string, unknown>>
/** Two may be of one kind: Lambda's sync and rotate functions. */
type Processes = readonly (readonly [Runtime, Given])[]

/** A vault for references. */
interface CheckedVault {
  readonly name: string
  /** '' = none that is right. */
  readonly prefix: string
  /** There are some = it is not used. */
  readonly problems: readonly string[]
}

interface Checked {
  readonly vaults: readonly CheckedVault[]
  readonly problems: readonly Problem[]
  readonly notices: readonly string[]
  /** Names that are set, to what is not known here. */
  readonly unchecked: readonly string[]
}

/**
 * @param text of a file: settings as in `.env`, a JSON object of them, or a template of CloudFormation, which has all that is deployed.
 * @param add puts what stands elsewhere beside settings. @throws `ERR_USAGE`.
 */
export function givenIn(text: string, platform: Platform, add = (all: Given): Given => all): Processes {
  const json = parseJson(text) as Given | null | undefined
  if (platform === 'lambda' && json?.['Resources'] !== undefined) return inTemplate(json['Resources'] as object)
  const all: Given = json ?? parseEnv(text)
  return givenTo(add(all), platform)
}

/** One environment for all of a platform. Lambda's functions refuse what is the other's, so that each gets its own. */
export function givenTo(all: Given, platform: Platform): Processes {
  if (platform !== 'lambda') return [[platform, all]]
  const rows = Object.entries(ANSWERING_SETTINGS as Table)
  const ofHttp = (name: string) =>
    Object.hasOwn(ANSWERING_SETTINGS, name.replace(/^KONG_/, '')) || /^KEYRING_VAULTS$|^KONG_VAULT_/.test(name)
  const only = new Set(rows.filter(([, row]) => !isRead(row, 'lambda-sync')).map(([name]) => name))
  const some = (isIts: (name: string) => boolean) =>
    Object.fromEntries(Object.entries(all).filter(([name]) => isIts(name)))
  return [
    ['lambda-http', some(ofHttp)],
    ['lambda-sync', some((name) => !only.has(name))],
  ]
}

interface Resource {
  readonly Type?: unknown
  readonly Properties?: { readonly Handler?: unknown; readonly Environment?: { readonly Variables?: Given } }
}

/** Ours are told by their handlers, whatever a service calls them. */
function inTemplate(resources: object): Processes {
  const given: [Runtime, Given][] = []
  for (const { Type, Properties } of Object.values(resources) as Resource[]) {
    const handler =
      Type === 'AWS::Lambda::Function' && /\b(http|sync|rotate)\.handler$/.exec(String(Properties?.Handler))
    if (handler)
      given.push([handler[1] === 'http' ? 'lambda-http' : 'lambda-sync', Properties?.Environment?.Variables ?? {}])
  }
  if (new Map(given).size < 2) throw failed('ERR_USAGE', 'The template of --file lacks the function http or sync.')
  return given
}

/** All problems of all processes, each told once. */
export function check(given: Processes): Checked {
  const all = given.map(([runtime, one]) => checkOne(runtime, one))
  const told = new Set<string>()
  const isNew = (text: string) => !told.has(text) && told.add(text)
  const vaults = new Map(all.flatMap((each) => each.vaults.map((vault) => [vault.name, vault])))
  return {
    vaults: [...vaults.values()],
    problems: all.flatMap(({ problems }) => problems).filter(({ name, message }) => isNew(`${name} ${message}`)),
    notices: all.flatMap(({ notices }) => notices).filter(isNew),
    unchecked: all.flatMap(({ unchecked }) => unchecked).filter(isNew),
  }
}

/** Of a value that is not known here only its presence counts, and of a reference that is read there its form. */
function checkOne(runtime: Runtime, given: Given): Checked {
  const references = referencesThere(runtime, given)
  const isHere = (name: string) => isKnown(given[name]) && !references.has(name)
  const unknown = Object.keys(given).filter((name) => !isHere(name))
  const texts = Object.entries(given).map(([name, value]) => [name, isHere(name) ? value : UNKNOWN])
  const parsed = read(runtime, Object.fromEntries(texts) as Env)
  const unchecked = new Set([...unknown, ...(runtime === 'workers' ? BINDINGS : [])])
  const wrong = [...references].flatMap(([name, message]) => (message === null ? [] : [{ name, message }]))
  const problems = parsed.ok ? [] : parsed.problems.filter(({ name }) => !unchecked.has(name))
  const ofVaults = vaultsOf(runtime, Object.fromEntries(texts) as Env, unchecked)
  return {
    vaults: ofVaults.vaults,
    problems: [...wrong, ...problems, ...ofVaults.problems],
    notices: parsed.ok ? [...parsed.notices, ...ofVaults.notices] : [],
    unchecked: unknown,
  }
}

/** By their names: what is wrong with them, or `null`. */
function referencesThere(runtime: Runtime, given: Given): ReadonlyMap<string, string | null> {
  if (runtime !== 'node' && runtime !== 'lambda-sync') return new Map()
  const env = Object.fromEntries(Object.entries(given).filter(([, value]) => typeof value === 'string')) as Env
  return new Map(referencesIn(env, runtime).map((name) => [name, referenceTrouble(env[name] ?? '')]))
}

/** Whoever asks no vault needs less of them, and has nothing to say. */
function vaultsOf(runtime: Runtime, env: Env, unchecked: ReadonlySet<string>): Omit<Checked, 'unchecked'> {
  if (runtime === 'lambda-http' || unchecked.has('KEYRING_VAULTS')) return { vaults: [], problems: [], notices: [] }
  const look = runtime === 'node' ? (tls: VaultTls) => readTls(tls, Date.now()).problems : undefined
  const there = runtime === 'lambda-sync' ? { ...REGION, ...env } : env
  const { entities, broken, problems, notices } = readEntities(there, runtime, look)
  const known = ({ name }: Problem) => !unchecked.has(name)
  const vaults = [
    ...entities.map(({ prefix, name }) => ({ prefix, name, problems: [] })),
    ...broken.map((each) => ({ ...each, problems: each.problems.filter(known).map(sentence) })),
  ]
  return { vaults, problems, notices }
}

const sentence = ({ name, message }: Problem): string => `${name}: ${message}`

/** Stands for a value that is not known here. */
const UNKNOWN = '{{resolve}}'
/** https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html */
const isKnown = (value: unknown): boolean => typeof value === 'string' && !value.includes('{{resolve:')

/** On Workers these are in wrangler.toml, as objects. */
const BINDINGS = ['KEYRING_VAULT_MTLS', 'KEYRING_VAULT_VPC']

/** From a file in text wrangler uploads other values than these: "wrangler deploy --help", --secrets-file. */
export function altered(text: string, environment: Env): Problem[] {
  if (parseJson(text) !== undefined) return []
  return Object.entries(parseEnv(text)).flatMap(([name, value = '']) => {
    const other = environment[name] ?? value
    if (other !== value)
      return [{ name, message: 'has another value in the environment, which wrangler uploads: unset it' }]
    return value.includes('$') ? [{ name, message: 'has a $, which wrangler expands: write this file as JSON' }] : []
  })
}

/** Lambda sets it itself. */
const REGION = { AWS_REGION: 'us-east-1' }

/** Files are looked at on Node alone: those of Lambda lie in its package. */
function read(runtime: Runtime, env: Env): Parsed<unknown> {
  if (runtime === 'node') return readSettings(env, 'node', withoutOthers, readCron)
  if (runtime === 'workers') return parseConfig(env, 'workers', undefined, readCron)
  const there = { ...REGION, ...env }
  return runtime === 'lambda-http' ? readAnswering(there) : parseConfig(there, runtime, undefined, readCron)
}

function outcomeOf(platform: Platform, { problems, notices, unchecked, vaults }: Checked): Outcome {
  if (problems.length > 0) throw wrongSettings(problems)
  const used = vaults.filter((each) => each.problems.length === 0).map(({ prefix }) => prefix)
  const unused = vaults.flatMap((each) => each.problems.map((problem) => `not used: ${problem}`))
  const later = unchecked.length === 0 ? [] : [`set, and known at the deployment only: ${unchecked.join(', ')}`]
  const lines = [
    `ok  ${platform}: nothing is missing or wrong`,
    ...(used.length === 0 ? [] : [`vaults for references: ${used.join(', ')}`]),
    ...unused,
    ...later,
    ...notices.map((each) => `note: ${each}`),
  ]
  return { document: { platform, vaults, notices, unchecked }, screen: `${lines.join('\n')}\n` }
}

function isPlatform(word: string): word is Platform {
  return PLATFORMS.some((each) => each === word)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw failed('ERR_USAGE', `The file of --file cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
}

interface CheckFiles {
  readonly file: string
  readonly conf: string
  readonly deck: string
}

/** '' = there is none; in place of `file` the environment. */
export async function checkPlatform(platform: string, { file, conf, deck }: CheckFiles): Promise<Outcome> {
  if (!isPlatform(platform)) throw failed('ERR_USAGE', `The flag --platform takes ${PLATFORMS.join(', ')}.`)
  const addFiles = await kongFiles(conf || null, deck || null, process.env)
  const added: Omit<ReturnType<typeof addFiles>, 'env'>[] = []
  const add = (all: Given): Given => {
    // What is known at the deployment only is no text, and counts as set all the same.
    const { env, ...rest } = addFiles(all as Env)
    added.push(rest)
    return env
  }
  const text = file === '' ? null : textOf(file)
  const { problems, notices, ...rest } = check(
    text === null ? givenTo(add(process.env), platform) : givenIn(text, platform, add),
  )
  if (added.length === 0 && conf + deck !== '')
    throw failed('ERR_USAGE', 'A template has all that is deployed: --conf and --deck do not go with it.')
  const ofWrangler = platform === 'workers' && text !== null ? altered(text, process.env) : []
  return outcomeOf(platform, {
    ...rest,
    notices: [...added.flatMap((each) => each.notices), ...notices],
    problems: [...added.flatMap((each) => each.problems), ...problems, ...ofWrangler],
  })
}
