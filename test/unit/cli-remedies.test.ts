/** What the command line tells people to do can be typed: it speaks of commands and flags, not of requests. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ask } from '../../functions/cli/answer.ts'
import { Failure, failureOf, systemFailure } from '../../functions/cli/failure.ts'
import { ME, inWords } from '../../functions/cli/remedies.ts'
import { KeyringError, REMEDIES } from '../../src/core/errors.ts'
import { SERVICE_REMEDIES } from '../../src/core/service-remedies.ts'
import { VAULT_REMEDIES } from '../../src/core/vault-remedies.ts'
import type { KeyringErrorCode } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'

const OF_HTTP =
  /\b(POST|GET|[Hh]eader|body|fields?|request id|Retry-After|Authorization|encoding)\b|\{"|"force"|"adopt"|application\/|docs\/api\.md for/
const CODES = Object.keys({ ...REMEDIES, ...SERVICE_REMEDIES, ...VAULT_REMEDIES }) as KeyringErrorCode[]

const answering = (problem: object) => ({
  where: '',
  base: 'http://localhost',
  token: new Secret('x'),
  tokenRemedy: 'Check EDGE_KEYRING_TOKEN.',
  fetch: async () => new Response(JSON.stringify(problem), { headers: { 'content-type': 'application/json' } }),
  answerMs: 1000,
  close: async () => {},
})

async function answered(code: KeyringErrorCode): Promise<Failure> {
  const target = answering({
    code,
    detail: 'What happened.',
    remedy: { ...REMEDIES, ...SERVICE_REMEDIES, ...VAULT_REMEDIES }[code],
  })
  return ask(target, 'GET', '/').then(
    () => Promise.reject(new Error('no failure')),
    (error: unknown) => (error instanceof Failure ? error : Promise.reject(error)),
  )
}

// SQLite's codes are extended: 266 is one of 10, 520 one of 8.
it.each([
  ...['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO', 'EROFS'].map((code) => ({ code })),
  ...[13, 10, 266, 8, 520].map((errcode) => ({ code: 'ERR_SQLITE_ERROR', errcode })),
])('%o is trouble of a disk', (error) => {
  const document = { code: 'ERR_FOLDER_UNUSABLE', detail: expect.stringMatching(/^x: .+ \(E\w+\)\.$/) }
  expect(systemFailure('x', error)).toMatchObject({ exit: 1, document })
})

it.each([{ code: 'ENOENT' }, { code: 'ERR_SQLITE_ERROR', errcode: 1 }, {}])('%o is a wrong word', (error) => {
  expect(systemFailure('x', error)).toMatchObject({ exit: 2, document: { code: 'ERR_USAGE' } })
})

it.each(CODES)('%s: the remedy that a deployment gives names nothing of HTTP', async (code) => {
  const { document, lines } = await answered(code)
  expect(lines.map((line) => inWords(line, 'orders')).join(' ')).not.toMatch(OF_HTTP)
  expect(inWords(document.remedy ?? '', 'orders')).toBe(inWords(lines[1] ?? '', 'orders'))
})

it.each(CODES.filter((code) => code !== 'ERR_UNAUTHENTICATED'))('%s: nor does that of the local store', (code) => {
  const lines = failureOf(new KeyringError(code, 'What happened.'))?.lines ?? []
  expect(lines.map((line) => inWords(line, 'orders')).join(' ')).not.toMatch(OF_HTTP)
})

/** Literals that are sentences: remedies of their own, and what the status says is needed. */
const SENTENCES = ['src/keyring', 'src/vault']
  .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)))
  .filter((name) => name.endsWith('.ts'))
  .flatMap((name) => Array.from(readFileSync(name, 'utf8').matchAll(/'([^'\n]* [^'\n]*\.)'|`([^`]* [^`]*\.)`/g)))
  .map(([, plain, template]) => plain ?? template?.replaceAll(/\$\{\w+\}/g, 'orders') ?? '')

it('the sentences of the status view and of single errors are said in words of the command line', () => {
  const ofHttp = SENTENCES.filter((sentence) => OF_HTTP.test(sentence) && !/429|X-Vault-Token/.test(sentence))
  expect(ofHttp.length).toBeGreaterThan(2)
  expect(ofHttp.map((sentence) => inWords(sentence, 'orders')).filter((sentence) => OF_HTTP.test(sentence))).toEqual([])
})

it('a command in a remedy names the keyring that was meant', () => {
  expect(inWords(SERVICE_REMEDIES.ERR_SOURCE_CHANGED, 'orders')).toContain(`run "${ME} sync --keyring orders --adopt":`)
  expect(inWords(SERVICE_REMEDIES.ERR_SOURCE_RECREATED, 'default')).toContain(
    `If this is meant, run "${ME} sync --force" or "${ME} sync --adopt":`,
  )
})
