/** The operator's credentials, from the settings or from a file that is read anew each time. */
import { decodeUtf8, fromBase64url } from '../../core/bytes.ts'
import { KeyringError } from '../../core/errors.ts'
import type { CredentialSource } from '../../core/login-settings.ts'
import { isQuoted } from '../../core/quoted.ts'
import { Secret } from '../../core/secret.ts'
import type { LoginParts } from './method.ts'

type Files = Pick<LoginParts, 'readFile'>

/** The text has neither white space nor the mark of a file around it. @param option its name in the settings, for people. */
export async function credentialText(source: CredentialSource, option: string, { readFile }: Files): Promise<string> {
  const text = source instanceof Secret ? source.reveal() : await readFile?.(source.file).catch(noFile)
  if (text === undefined || text === null)
    throw new KeyringError('ERR_LOGIN_CREDENTIAL_UNREADABLE', `The file named by ${option} cannot be read.`, {
      facts: { option },
    })
  const trimmed = text.trim()
  if (trimmed === '') throw malformed(option, 'is empty or not UTF-8')
  if (isQuoted(trimmed)) throw malformed(option, 'is still in its quotes')
  return trimmed
}

/** The system's codes alone say that a file cannot be read. */
function noFile(error: unknown): null {
  const code = error instanceof Error && 'code' in error ? error.code : null
  if (typeof code === 'string' && /^E(?!RR_)[A-Z0-9]+$/.test(code)) return null
  throw error
}

/** A credential that goes into a header or a field must be printable ASCII. */
export async function readCredential(source: CredentialSource, option: string, files: Files): Promise<string> {
  const text = await credentialText(source, option, files)
  if (!/^[\x21-\x7e]+$/.test(text)) throw malformed(option, 'has characters that no credential has')
  return text
}

export async function readJwt(source: CredentialSource, option: string, files: Files): Promise<string> {
  const text = await readCredential(source, option, files)
  if (!hasJwtForm(text)) throw malformed(option, 'is not a JWT')
  return text
}

export const malformed = (option: string, what: string): KeyringError =>
  new KeyringError('ERR_LOGIN_CREDENTIAL_MALFORMED', `The credential in ${option} ${what}.`, { facts: { option } })

export const hasJwtForm = (text: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)

/** Whom a JWT names, unverified. Platforms renew their JWTs all the time, and that alone makes nobody somebody else. */
export function subjectOf(jwt: string): string {
  try {
    const claims = JSON.parse(decodeUtf8(fromBase64url(jwt.split('.')[1] ?? '') ?? new Uint8Array()) ?? '') as object
    const { iss, sub, aud } = claims as Record<string, unknown>
    return sub === undefined ? jwt : JSON.stringify([iss, sub, aud])
  } catch {
    return jwt
  }
}
