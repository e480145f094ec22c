/** What a login method is to the settings: its options, what must fit together, and what its file in `vault/login` is given. */
import * as z from 'zod/mini'
import type { CredentialSource, LoginSettings } from '../core/login-settings.ts'
import { isPem, privateKeyIn } from '../core/pem.ts'
import { Secret } from '../core/secret.ts'
import type { Env, Runtime, Table, Values } from './setting.ts'

/** What a method asks of the way in which its options were written. */
export interface Checks {
  readonly env: Env
  readonly runtime: Runtime
  /** False on Workers. */
  readonly hasFiles: boolean
  /** The name under which operators write an option. */
  readonly nameOf: (option: string) => string
  readonly isGiven: (option: string) => boolean
  readonly complain: (option: string, message: string) => void
}

export interface Method<Options extends Table = Table> {
  /** Under the names that Kong's Vault entity has for them. */
  readonly options: Options
  /** It says what must hold beyond what an option says of itself. */
  readonly check?: (checks: Checks, values: Values<Options>) => void
  /** Called when nothing is wrong. */
  readonly build: (values: Values<Options>, checks: Checks) => LoginSettings
}

/** The methods stand in one table, whose readers know no method's options. */
export const method = <const Options extends Table>(parts: Method<Options>) =>
  parts as unknown as Omit<Method, 'options'> & { readonly options: Options }

export const sourceOf = (value: Secret | undefined, file: string | undefined): CredentialSource =>
  value ?? { file: file ?? '' }

interface Source {
  readonly value: string
  readonly file: string
  readonly what: string
  /** Where platforms put the file. */
  readonly usual?: string
}

/** The operator gives a value or a file, never both: a forgotten one would win in silence. */
export function checkSource({ value, file, what, usual }: Source, checks: Checks): void {
  const { hasFiles, isGiven, nameOf, complain } = checks
  if (!hasFiles) {
    if (isGiven(file)) complain(file, `cannot be used on Workers, which have no files: set ${nameOf(value)}`)
    else if (!isGiven(value)) complain(value, `is required: ${what}`)
  } else if (usual === undefined || isGiven(value)) checkOneOf(value, file, what, checks)
}

export function checkOneOf(option: string, other: string, what: string, { isGiven, nameOf, complain }: Checks): void {
  if (isGiven(option) && isGiven(other)) complain(option, `is set beside ${nameOf(other)}: set one of the two`)
  if (!isGiven(option) && !isGiven(other)) complain(option, `is required, or ${nameOf(other)}: ${what}`)
}

/** PEM or JWK as it is, or the path of a file with it. @param wrongWith what is wrong with a PEM text; '' = nothing. */
export const keyText = (wrongWith = (_pem: string): string => '') =>
  z.pipe(
    z.string().check(z.trim()),
    z.transform((text: string, { issues }): CredentialSource => {
      const isFile = !isPem(text) && !text.startsWith('{')
      const wrong = isFile && /\p{Cc}/u.test(text) ? 'must be the text of the file, or its path' : ''
      const message = isPem(text) ? wrongWith(text) : wrong
      if (message !== '') issues.push({ code: 'custom', message, input: null })
      return isFile ? { file: text } : new Secret(text)
    }),
  )

export function keyTrouble(pem: string): string {
  const key = privateKeyIn(pem)
  return typeof key === 'string' ? key : ''
}
