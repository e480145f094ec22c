/** Whatever shapes the request of a login changes its fingerprint, so that a refusal is remembered for that request alone. */
import { describe, expect, it } from 'vitest'
import { shapeOf } from '../../src/vault/login/shape.ts'
import { loginSettings } from '../support/logins.ts'

const shape = async (options: Record<string, string>, files: Record<string, string> = {}) => {
  const settings = loginSettings(options)
  if (settings.method === 'token') throw new Error('A token is no login.')
  const readFile = async (path: string) => files[path] ?? Promise.reject(new Error('not there'))
  return shapeOf(settings, { readFile })
}

const AWS = {
  auth_method: 'aws_iam',
  aws_auth_region: 'us-east-1',
  aws_access_key_id: 'AKIATESTTESTTESTTEST',
  aws_secret_access_key: 'secret',
}
const OAUTH2 = {
  auth_method: 'oauth2',
  oauth2_token_endpoint: 'https://idp.example/token',
  oauth2_client_id: 'client',
  oauth2_client_secret: 'secret',
}
const APPROLE = { auth_method: 'approle', approle_role_id: 'r', approle_secret_id: 's' }

describe('the shape of a request', () => {
  it.each<[string, Record<string, string>, Record<string, string>]>([
    ['the server id of aws_iam', AWS, { aws_iam_server_id: 'vault.example' }],
    ['other keys of aws_iam', AWS, { aws_access_key_id: 'AKIATESTTESTTESTOTHER' }],
    ['another endpoint of STS', AWS, { aws_sts_endpoint_url: 'https://sts.eu-west-1.amazonaws.com' }],
    ['a resource', OAUTH2, { oauth2_resource: 'urn:vault' }],
    ['a scope', OAUTH2, { oauth2_scopes: 'read' }],
    ['an audience', OAUTH2, { oauth2_audiences: 'vault' }],
    ['a parameter', OAUTH2, { oauth2_parameters: '{"tenant":"t"}' }],
    ['another client secret', OAUTH2, { oauth2_client_secret: 'other' }],
    ['how the client shows who it is', OAUTH2, { oauth2_client_auth: 'client_secret_post' }],
    ['a JWT', { auth_method: 'jwt', jwt_role: 'r', jwt: 'a.b.c' }, { jwt: 'a.b.d' }],
    ['wrapping', APPROLE, { approle_response_wrapping: 'on' }],
  ])('is another one with %s', async (_name, options, more) => {
    expect(await shape(options)).toBe(await shape({ ...options }))
    expect(await shape({ ...options, ...more })).not.toBe(await shape(options))
  })

  it('is another one when a file has changed; one that cannot be read is nothing', async () => {
    const options = { auth_method: 'jwt', jwt_role: 'r', jwt_file: '/jwt' }
    const shapes = [{ '/jwt': 'a.b.c' }, { '/jwt': 'a.b.d' }, {}].map((files) => shape(options, files))
    expect(new Set(await Promise.all(shapes)).size).toBe(3)
  })
})
