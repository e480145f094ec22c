/** Settings by reference: what each vault gives, what is told when it gives nothing, and what a change does while a process runs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readReferences } from '../../functions/node-shared/references.ts'
import { liveSettings } from '../../functions/node/local.ts'
import { referencesIn } from '../../src/config/names.ts'
import type { Env } from '../../src/config/setting.ts'
import { parseConfig } from '../../src/config/config.ts'
import { wrappingKeys } from '../../src/config/wrapping-keys.ts'
import type { SecretsManager } from '../support/secrets-manager.ts'
import { secretsManagerDouble } from '../support/secrets-manager.ts'

const CANARY = 'c4n4ry'
const [FIRST = '', SECOND = '', THIRD = ''] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte).toString('base64'))
const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-references-'))
const file = (name: string, text: string | Buffer) => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
let aws: SecretsManager
let AWS: Env

/** The SDK takes its keys and addresses from the environment of the process. */
beforeAll(async () => {
  aws = await secretsManagerDouble()
  AWS = {
    AWS_ENDPOINT_URL_SECRETS_MANAGER: aws.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'AKIATESTTESTTESTTEST',
    AWS_SECRET_ACCESS_KEY: 'any',
  }
  Object.assign(process.env, AWS)
})
afterAll(async () => {
  await aws.close()
  rmSync(folder, { recursive: true })
})
beforeEach(() => {
  aws.fail(null)
  aws.asked()
})

const isList = (text: string) => wrappingKeys().safeParse(text).success

/** The text of the one reference, or the problem with it. */
async function read(reference: string, env: Env = {}, name = 'KEYRING_VAULT_TOKEN'): Promise<string> {
  const { texts, problems } = await readReferences({ ...AWS, ...env, [name]: reference }, [name], isList)
  expect(JSON.stringify(problems)).not.toContain(CANARY)
  return texts.get(name) ?? problems.map((problem) => problem.message).join()
}

it('are the secrets of the platform under our own names, and no others', () => {
  const reference = '{vault://env/a}'
  const env = { KEYRING_VAULT_TOKEN: reference, KONG_KEYRING_VAULT_TOKEN: reference, KEYRING_VAULT_PATH: reference }
  const more = { VAULT_TOKEN: reference, KEYRING_API_TOKENS: reference, KEYRING_WRAPPING_KEYS: `old:${reference}` }
  const names = ['KEYRING_WRAPPING_KEYS', 'KEYRING_API_TOKENS', 'KEYRING_VAULT_TOKEN', 'KONG_KEYRING_VAULT_TOKEN']
  expect(referencesIn({ ...env, ...more }, 'node')).toEqual(names)
  expect(referencesIn({ ...env, ...more }, 'lambda-sync')).toEqual(names.filter((name) => !name.includes('API')))
  expect(referencesIn({ KEYRING_ROTATION_VAULT_TOKEN: reference }, 'node')).toEqual(['KEYRING_ROTATION_VAULT_TOKEN'])
})

describe('env', () => {
  it.each([
    ['{vault://env/vault-token}', 'of-vault'],
    ['{vault://env/token?prefix=vault-}', 'of-vault'],
    ['{vault://env/vault-token#1}', 'of-vault'],
    ['{vault://env/vault-token#2}', 'of-before'],
    ['{vault://env/all/token}', 'in-json'],
    [
      '{vault://env/all/number}',
      'has a reference with a key, and what it names is no JSON object with a text under it',
    ],
    [
      '{vault://env/all/constructor}',
      'has a reference with a key, and what it names is no JSON object with a text under it',
    ],
    [
      '{vault://env/vault-token/x}',
      'has a reference with a key, and what it names is no JSON object with a text under it',
    ],
    ['{vault://env/c4n4ry}', 'has a reference to a variable that is not set'],
    ['{vault://env?c4n4ry}', 'has a reference that has a missing path (character 20)'],
    ['{vault://hcv/a/c4n4ry}', 'has a reference to a vault that is none here: env, fs, aws are'],
    ['{vault://constructor/a}', 'has a reference to a vault that is none here: env, fs, aws are'],
  ])('%s is %s', async (reference, text) => {
    const all = JSON.stringify({ token: 'in-json', number: 1 })
    expect(await read(reference, { VAULT_TOKEN: 'of-vault', VAULT_TOKEN_PREVIOUS: 'of-before', ALL: all })).toBe(text)
  })
})

describe('fs', () => {
  it('gives a file without its last line end, and a text in a JSON file', async () => {
    file('sink', 'of-an-agent\n')
    file('all.json', '{"token": "in-json"}')
    expect(await read(`{vault://fs${folder}/sink}`)).toBe('of-an-agent')
    expect(await read(`{vault://fs/sink?prefix=${encodeURIComponent(folder)}}`)).toBe('of-an-agent')
    expect(await read(`{vault://fs${folder}/all.json/token}`)).toBe('in-json')
    expect(await read(`{vault://fs${folder}/all.json/}`)).toBe('{"token": "in-json"}')
  })

  it('names the trouble with a file, and nothing of its path', async () => {
    file('empty', '')
    file('bytes', Buffer.from([0xff, 0xfe]))
    expect(await read(`{vault://fs${folder}/c4n4ry}`)).toBe('has a reference to a file that cannot be read (ENOENT)')
    expect(await read(`{vault://fs${folder}/empty}`)).toBe('has a reference to a file that is empty or no text')
    expect(await read(`{vault://fs${folder}/bytes}`)).toBe('has a reference to a file that is empty or no text')
    const odd = 'has a reference to a file whose path is not absolute and plain'
    expect(await read(`{vault://fs${folder}/x/%2E%2E/sink}`)).toBe(odd)
    expect(await read('{vault://fs/sink?prefix=c4n4ry}')).toBe(odd)
  })
})

describe('aws', () => {
  it('gives the current version, a field of it, and the previous one; never one that a rotation is still making', async () => {
    aws.put('edge/keyring', { vault_token: 'one' })
    aws.put('edge/keyring', { vault_token: 'two' })
    aws.putPending('edge/keyring', JSON.stringify({ vault_token: 'three' }))
    expect(await read('{vault://aws/edge/keyring/vault_token}')).toBe('two')
    expect(await read('{vault://aws/edge/keyring/vault_token#1}')).toBe('two')
    expect(await read('{vault://aws/edge/keyring/vault_token#2}')).toBe('one')
    expect(await read('{vault://aws/edge/keyring/}')).toBe('{"vault_token":"two"}')
    expect(await read('{vault://aws/edge/keyring/vault_token#3}')).toMatch('a version that Secrets Manager has not')
  })

  it('is asked once for a secret, and in the region that a reference names', async () => {
    aws.put('both', { KEYRING_VAULT_TOKEN: 'a', KEYRING_API_TOKEN: 'b' })
    const names = ['KEYRING_VAULT_TOKEN', 'KEYRING_API_TOKEN']
    const env = Object.fromEntries(names.map((name) => [name, `{vault://aws/both/${name}}`]))
    expect([...(await readReferences({ ...AWS, ...env }, names, isList)).texts.values()]).toEqual(['a', 'b'])
    expect(aws.asked()).toEqual(['both AWSCURRENT us-east-1'])
    expect(await read('{vault://aws/both/KEYRING_API_TOKEN?region=eu-west-1}')).toBe('b')
    expect(aws.asked()).toEqual(['both AWSCURRENT eu-west-1'])
  })

  it('names the exception alone', async () => {
    expect(await read('{vault://aws/c4n4ry/}')).toMatch('does not answer (ResourceNotFoundException)')
    aws.fail('AccessDeniedException')
    expect(await read('{vault://aws/c4n4ry/}')).toMatch('does not answer (AccessDeniedException)')
  })

  it('is asked over TLS', async () => {
    const open = { AWS_ENDPOINT_URL: 'http://aws.example' }
    expect(await read('{vault://aws/a/}', open)).toBe(
      'has a reference to Secrets Manager, and AWS_ENDPOINT_URL is not https',
    )
  })

  it('gives wrapping keys of the current and the previous version, each id once', async () => {
    const list = (reference: string) => read(reference, {}, 'KEYRING_WRAPPING_KEYS')
    aws.put('wrapping', `w1:${FIRST}`)
    expect(await list('{vault://aws/wrapping/}')).toBe(`w1:${FIRST}`)
    aws.put('wrapping', `w2:${SECOND}, w1:${FIRST}`)
    expect(await list('{vault://aws/wrapping/}')).toBe(`w2:${SECOND}, w1:${FIRST}`)
    aws.put('wrapping', `w3/keyring/orders:${THIRD}`)
    expect(await list('{vault://aws/wrapping/}')).toBe(`w3/keyring/orders:${THIRD},w2:${SECOND},w1:${FIRST}`)
    expect(await list('{vault://aws/wrapping/#1}')).toBe(`w3/keyring/orders:${THIRD}`)
    aws.put('fields', 'not yet JSON')
    aws.put('fields', { keys: `w1:${FIRST}` })
    expect(await list('{vault://aws/fields/keys}')).toBe(`w1:${FIRST}`)
  })

  it('gives no wrapping key any more that was taken out and whose secret was written once more', async () => {
    const list = () => read('{vault://aws/leaked/}', {}, 'KEYRING_WRAPPING_KEYS')
    aws.put('leaked', `w2:${SECOND},w1:${FIRST}`)
    aws.put('leaked', `w2:${SECOND}`)
    expect(await list()).toBe(`w2:${SECOND},w1:${FIRST}`)
    aws.put('leaked', `w2:${SECOND}`)
    expect(await list()).toBe(`w2:${SECOND}`)
  })
})

const BASE = {
  KEYRING_VAULT_HOST: 'https://vault.example',
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_DATABASE: 'k.sqlite',
  KEYRING_API_TOKEN: 'of-no-importance',
  KEYRING_VAULT_TOKEN: 'root',
  KEYRING_WRAPPING_KEYS: `w1:${FIRST}`,
}

describe('at the start', () => {
  it('a reference is read before anything is checked', async () => {
    const sink = file('token', 'from-a-file\n')
    const { parsed } = await liveSettings({ ...BASE, KEYRING_VAULT_TOKEN: `{vault://fs${sink}}` })
    const auth = parsed.ok ? parsed.config?.vault?.auth : null
    expect(auth?.method === 'token' && auth.token.reveal()).toBe('from-a-file')
  })

  it('what cannot be read is told with all other problems, and what is read is checked like a text', async () => {
    const sink = file('wrong', 'with a space\n')
    const env = {
      ...BASE,
      KEYRING_VAULT_TOKEN: `{vault://fs${sink}}`,
      KEYRING_WRAPPING_KEYS: '{vault://env/none}',
      PORT: 'x',
    }
    const { parsed } = await liveSettings(env)
    expect(parsed.ok ? [] : parsed.problems.map(({ name, message }) => `${name} ${message}`)).toEqual([
      'KEYRING_WRAPPING_KEYS has a reference to a variable that is not set',
      'PORT must be a whole number from 0 to 65535',
      'KEYRING_VAULT_TOKEN must be printable ASCII without spaces',
    ])
  })

  it.each([
    ['a placeholder', CANARY],
    ['nothing', ''],
    ['bytes', Buffer.from([0xff])],
    ['a list with a hole', `w0:${THIRD},,${CANARY}:x`, 'w0'],
    ['a key derived from one that is whole now', `w1/keyring/default:${SECOND},w0:${THIRD}`, 'w0'],
    ['another key under an id of now', `w1:${SECOND}`],
  ])('what AWSPREVIOUS holds of wrapping keys stops nothing: %s', async (what, before, ...more) => {
    aws.put(`before ${what}`, before)
    aws.put(`before ${what}`, `w1:${FIRST}`)
    const { parsed } = await liveSettings({ ...AWS, ...BASE, KEYRING_WRAPPING_KEYS: `{vault://aws/before ${what}/}` })
    expect(parsed.ok && parsed.config?.wrappingKeys.map(({ id }) => id)).toEqual(['w1', ...more])
    const said = parsed.ok ? parsed.notices.filter((notice) => notice.includes('AWSPREVIOUS')) : []
    const isSilent = what === 'bytes' || what.startsWith('another')
    expect(said).toEqual(isSilent ? [] : [expect.stringMatching(/^KEYRING_WRAPPING_KEYS .*it is left out\.$/)])
    expect(JSON.stringify(parsed)).not.toContain(CANARY)
  })

  it('what AWSCURRENT holds is checked, whatever AWSPREVIOUS does', async () => {
    aws.put('now', `w1:${FIRST}`)
    aws.put('now', CANARY)
    const { parsed } = await liveSettings({ ...AWS, ...BASE, KEYRING_WRAPPING_KEYS: '{vault://aws/now/}' })
    expect(parsed.ok ? [] : parsed.problems).toMatchObject([{ name: 'KEYRING_WRAPPING_KEYS' }])
    expect(JSON.stringify(parsed)).not.toContain(CANARY)
  })

  it('nothing is read where there is no reference, and a text is never taken for one', async () => {
    expect((await liveSettings(BASE)).renew).toBeNull()
    const inside = { ...BASE, KEYRING_VAULT_TOKEN: 'x{vault://env/a}' }
    expect(parseConfig(inside, 'workers').ok).toBe(false)
    expect((await liveSettings(inside)).parsed.ok).toBe(false)
  })
})

describe('while a process runs', () => {
  const needing = (...ids: string[]) => Promise.resolve(new Set(ids))
  const start = async (env: Env) => {
    const { parsed, renew } = await liveSettings({ ...AWS, ...BASE, ...env })
    if (!parsed.ok || renew === null) throw new Error(JSON.stringify(parsed))
    return async (needed: () => Promise<ReadonlySet<string> | null> = () => needing()) => {
      const { config, problems } = await renew(needed)
      return { ids: config?.wrappingKeys.map(({ id }) => id) ?? null, said: problems.map(({ message }) => message) }
    }
  }

  it('a changed file is taken once, a missing or malformed one leaves what was there', async () => {
    const sink = file('sink', 'one')
    const look = await start({ KEYRING_VAULT_TOKEN: `{vault://fs${sink}}` })
    expect(await look()).toEqual({ ids: null, said: [] })
    file('sink', 'two')
    expect(await look()).toEqual({ ids: ['w1'], said: [] })
    expect(await look()).toEqual({ ids: null, said: [] })
    file('sink', 'two words')
    expect(await look()).toEqual({ ids: null, said: ['must be printable ASCII without spaces'] })
    rmSync(sink)
    expect(await look()).toEqual({ ids: null, said: ['has a reference to a file that cannot be read (ENOENT)'] })
    file('sink', 'two')
    expect(await look()).toEqual({ ids: null, said: [] })
  })

  describe('wrapping keys', () => {
    let look: Awaited<ReturnType<typeof start>>
    beforeEach(async () => {
      aws.put('list', `w1:${FIRST}`)
      aws.put('list', `w1:${FIRST}`)
      look = await start({ KEYRING_WRAPPING_KEYS: '{vault://aws/list/}' })
    })

    it('are taken with those of the version before', async () => {
      aws.put('list', `w2:${SECOND}`)
      expect(await look()).toEqual({ ids: ['w2', 'w1'], said: [] })
    })

    it('that lack an id which something needs are not taken, and are once nothing needs it', async () => {
      aws.put('list', `w2:${SECOND}`)
      aws.put('list', `w3:${THIRD}`)
      const said = ['is not taken: it lacks an id that is still needed, "w1"; the list of before stays']
      expect(await look(() => needing('w1'))).toEqual({ ids: null, said })
      expect(await look(() => Promise.resolve(null))).toEqual({ ids: null, said })
      expect(await look(() => needing('w2'))).toEqual({ ids: ['w3', 'w2'], said: [] })
    })

    it('that leaked are gone once the secret was written twice without them', async () => {
      aws.put('list', `w2:${SECOND},w1:${FIRST}`)
      expect(await look()).toEqual({ ids: ['w2', 'w1'], said: [] })
      aws.put('list', `w2:${SECOND}`)
      expect(await look(() => needing('w2'))).toEqual({ ids: null, said: [] })
      aws.put('list', `w2:${SECOND}`)
      expect(await look(() => needing('w2'))).toEqual({ ids: ['w2'], said: [] })
    })

    it('that have another key under an id of before are never taken', async () => {
      aws.put('list', `w1:${SECOND}`)
      const said = ['is not taken: it has another key under an id of before, "w1"; the list of before stays']
      expect(await look()).toEqual({ ids: null, said })
    })
  })

  it('a refused list keeps no token from being taken', async () => {
    const sink = file('beside', 'one')
    aws.put('beside', `w1:${FIRST}`)
    const look = await start({
      KEYRING_VAULT_TOKEN: `{vault://fs${sink}}`,
      KEYRING_WRAPPING_KEYS: '{vault://aws/beside/#1}',
    })
    file('beside', 'two')
    aws.put('beside', `w2:${SECOND}`)
    const { ids, said } = await look(() => needing('w1'))
    expect([ids, said.length]).toEqual([['w1'], 1])
  })

  it('a text that is wrong keeps no other from being taken', async () => {
    const [sink, tokens] = [file('sound', 'one'), file('tokens', BASE.KEYRING_API_TOKEN)]
    const look = await start({
      KEYRING_VAULT_TOKEN: `{vault://fs${sink}}`,
      KEYRING_API_TOKEN: `{vault://fs${tokens}}`,
    })
    file('sound', 'two')
    file('tokens', 'two words')
    expect(await look()).toEqual({ ids: ['w1'], said: ['must be printable ASCII without spaces'] })
    expect(await look()).toEqual({ ids: null, said: ['must be printable ASCII without spaces'] })
  })
})
