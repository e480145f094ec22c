/** The document of an error: what it says itself, and the facts beside it. */
import { describe, expect, it } from 'vitest'
import type { Facts, KeyringErrorCode } from '../../src/core/errors.ts'
import { SERVICE_REMEDIES } from '../../src/core/service-remedies.ts'
import { VAULT_REMEDIES } from '../../src/core/vault-remedies.ts'
import { DOCUMENT_FIELDS, KeyringError, REMEDIES } from '../../src/core/errors.ts'
import { problem } from '../../src/http/problem.ts'
import { loginMethod, loginVault, NEVER } from '../support/logins.ts'

const CODES = Object.keys({ ...REMEDIES, ...SERVICE_REMEDIES, ...VAULT_REMEDIES }) as KeyringErrorCode[]
const documentOf = (error: KeyringError, path = '/keyring/sync') =>
  problem(path, error, 'request-1', {}).body as Readonly<Record<string, unknown>>

describe('the document of an error', () => {
  it('has no field that a fact could have too, of any code, on any path', () => {
    const fields = CODES.flatMap((code) =>
      ['/keyring', '/keyrings/a'].flatMap((path) => Object.keys(documentOf(new KeyringError(code, 'A.'), path))),
    )
    const reserved: ReadonlySet<string> = new Set(DOCUMENT_FIELDS)
    expect([...new Set(fields)].filter((field) => !reserved.has(field))).toEqual([])
  })

  it('lets no fact be called like a field of it: that does not compile', () => {
    // @ts-expect-error -- `status` is the document's own.
    const facts: Facts = { status: 400 }
    // @ts-expect-error -- so is `type`.
    const others: Facts = { type: 'service' }
    expect([facts, others]).toHaveLength(2)
  })

  it('tells the status of an identity provider beside its own', async () => {
    const options = {
      auth_method: 'oauth2',
      oauth2_token_endpoint: 'https://idp.example/token',
      oauth2_client_id: 'client',
      oauth2_client_secret: 'secret',
    }
    const fetch = async () => Response.json({ error: 'invalid_client' }, { status: 401 })
    const login = loginMethod(options, { fetch }).login(loginVault('http://127.0.0.1:9'), NEVER)
    const error: unknown = await login.catch((thrown: unknown) => thrown)
    if (!(error instanceof KeyringError)) throw error
    expect(documentOf(error)).toMatchObject({ status: 502, providerStatus: 401, step: 'login' })
  })
})
