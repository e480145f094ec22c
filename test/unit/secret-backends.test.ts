/** Vaults behind references that are not Vault: what they give, and what they never give. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import type * as promises from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { readEntities } from '../../src/config/entities.ts'
import { secretsManagerBackend } from '../../functions/node-shared/secrets-manager-vault.ts'
import { fileBackend } from '../../functions/node-shared/secret-files.ts'
import { environmentBackend } from '../../src/secrets/environment.ts'
import { secretBackendContract } from '../contract/secret-backend.ts'
import type { Listening } from '../support/listen.ts'
import { listen } from '../support/listen.ts'
import type { SecretsManager } from '../support/secrets-manager.ts'
import { secretsManagerDouble } from '../support/secrets-manager.ts'

/** What happens when the real path of a file is looked for. */
const looked = vi.hoisted(() => ({ for: (_path: string) => {} }))
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof promises>()
  return {
    ...real,
    async realpath(path: string) {
      looked.for(path)
      return real.realpath(path)
    },
  }
})

const HOW = { insist: 'outage', signal: new AbortController().signal } as const
const current = (resource: string) => ({ resource, version: null })

secretBackendContract('of the environment', () => {
  const env: Record<string, string> = {}
  const name = (resource: string) => `APP_${resource.toUpperCase().replaceAll('-', '_')}`
  return {
    backend: environmentBackend(env, ({ resource }) => name(resource)),
    write: (resource, text) => void (env[name(resource)] = text),
    remove: (resource) => void delete env[name(resource)],
    close() {},
  }
})

describe('a folder that is replaced as kubelet does it, by a link to another', () => {
  const mounted = () => {
    const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
    onTestFinished(() => {
      looked.for = () => {}
      rmSync(folder, { recursive: true, force: true })
    })
    const swap = (round: number) => {
      mkdirSync(join(folder, `..${round}`))
      writeFileSync(join(folder, `..${round}`, 'password'), 'a value')
      symlinkSync(`..${round}`, join(folder, '..data_tmp'))
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
      rmSync(join(folder, `..${round - 1}`), { recursive: true, force: true })
    }
    swap(0)
    symlinkSync('..data/password', join(folder, 'password'))
    return {
      swap,
      read: () =>
        fileBackend(folder)
          .read(current('password'), HOW)
          .then(({ kind }) => kind, String),
      /** The file is missed so many times, because its folder was replaced just then. */
      missing: (times: number) => {
        let round = 0
        looked.for = (path) => {
          if (path === folder || round === times) return
          swap((round += 1))
          throw Object.assign(new Error('gone'), { code: 'ENOENT' })
        }
      },
    }
  }

  it('has its files all the while', async () => {
    const { swap, read } = mounted()
    const kinds = new Set<string>()
    const over = new AbortController()
    const reads = async () => {
      while (!over.signal.aborted) kinds.add(await read())
    }
    const reading = Promise.all([reads(), reads(), reads()])
    for (let round = 1; round <= 300; round += 1) {
      swap(round)
      await new Promise((resolve) => setImmediate(resolve))
    }
    over.abort()
    await reading
    expect([...kinds].filter((kind) => kind === 'absent' || kind === 'forbidden')).toEqual([])
    expect(await read()).toBe('secret')
  })

  it('is read again', async () => {
    const { missing, read } = mounted()
    missing(4)
    expect(await read()).toBe('secret')
  })

  it('that never comes to rest is an outage, and no secret is gone', async () => {
    const { missing, read } = mounted()
    missing(100)
    expect(await read()).toContain('(EBUSY)')
  })
})

secretBackendContract('of files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  return {
    backend: fileBackend(folder),
    write: (resource, text) => writeFileSync(join(folder, resource), `${text}\n`),
    remove: (resource) => rmSync(join(folder, resource)),
    close: () => rmSync(folder, { recursive: true }),
  }
})

const AWS = { type: 'aws', region: 'eu-west-1', endpoint: null, stsEndpoint: '', assume: null } as const
const ROLE = { arn: 'arn:aws:iam::123456789012:role/reads', session: 'KongVault' }
const atAws = (how: Partial<Parameters<typeof secretsManagerBackend>[0]>) =>
  secretsManagerBackend({ ...AWS, credentials: null, ...how })

beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIATESTTESTTESTTEST')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
  vi.stubEnv('AWS_SESSION_TOKEN', '')
  return () => vi.unstubAllEnvs()
})

secretBackendContract('AWS Secrets Manager', async () => {
  const aws = await secretsManagerDouble()
  return {
    backend: atAws({ endpoint: aws.url }),
    write: (resource, text) => aws.put(resource, text),
    remove: (resource) => aws.remove(resource),
    close: () => aws.close(),
  }
})

describe('AWS Secrets Manager', () => {
  let aws: SecretsManager
  let sts: Listening
  /** `<access key> <fields>` of each request. */
  let taken: string[]
  beforeEach(async () => {
    taken = []
    aws = await secretsManagerDouble()
    sts = await listen(async (request, response) => {
      const fields = new URLSearchParams(await text(request))
      const [, key] = /Credential=(\w+)\/\d{8}\/eu-west-1\/sts\//.exec(request.headers.authorization ?? '') ?? []
      taken.push(`${key} ${fields.get('Action')} ${fields.get('RoleArn')} ${fields.get('RoleSessionName')}`)
      const [id, secret, token] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken'].map(
        (name) => `<${name}>x${taken.length}</${name}>`,
      )
      response.end(`<AssumeRoleResponse>${id}${secret}${token}</AssumeRoleResponse>`)
    })
    return async () => void (await Promise.all([aws.close(), sts.close()]))
  })
  const inRole = () => atAws({ endpoint: aws.url, stsEndpoint: sts.url, assume: ROLE })

  it('takes the role once for all that is read meanwhile, and again when its keys are no good', async () => {
    aws.put('a', 'one')
    const backend = inRole()
    await Promise.all([backend.read(current('a'), HOW), backend.read(current('a'), HOW)])
    await backend.read({ resource: 'a', version: 1 }, HOW)
    expect(taken).toEqual([`AKIATESTTESTTESTTEST AssumeRole ${ROLE.arn} ${ROLE.session}`])
    aws.fail('ExpiredTokenException')
    await expect(backend.read(current('a'), HOW)).rejects.toMatchObject({ code: 'ERR_AWS_UNAVAILABLE' })
    aws.fail(null)
    expect(await backend.read(current('a'), HOW)).toMatchObject({ kind: 'secret' })
    expect(taken.length).toBe(2)
  })

  it.each([
    ['ResourceNotFoundException', 'absent'],
    ['AccessDeniedException', 'forbidden'],
  ])('answers %s with: %s', async (exception, kind) => {
    aws.fail(exception)
    expect(await atAws({ endpoint: aws.url }).read(current('a'), HOW)).toEqual({ kind })
  })

  it('answers what is said of other states than deletion as an outage, and a binary secret as of no use', async () => {
    const backend = atAws({ endpoint: aws.url })
    aws.fail('InvalidRequestException')
    await expect(backend.read(current('a'), HOW)).rejects.toMatchObject({ code: 'ERR_AWS_UNAVAILABLE' })
    aws.fail(null)
    aws.put('bytes', Buffer.from([1, 2]))
    await expect(backend.read(current('bytes'), HOW)).rejects.toMatchObject({ code: 'ERR_SECRET_UNUSABLE' })
  })

  it('is asked with TLS alone, whatever the environment says', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL', 'http://aws.example')
    await expect(atAws({}).read(current('a'), HOW)).rejects.toMatchObject({
      message: 'Secrets Manager is not asked: AWS_ENDPOINT_URL is not https.',
    })
  })
})

describe('a variable', () => {
  it('has its version before under a name of its own, and may be empty', async () => {
    const { entities } = readEntities({ KONG_VAULT_ENV_PREFIX: 'APP-' }, 'node')
    const [{ backend: of } = { backend: null }] = entities
    if (of?.type !== 'env') throw new Error('It is no environment.')
    const backend = environmentBackend({ APP_A: '', APP_A_PREVIOUS: 'old' }, of.variableOf)
    expect(await backend.read(current('a'), HOW)).toMatchObject({ kind: 'secret' })
    const previous = await backend.read({ resource: 'a', version: 2 }, HOW)
    expect(previous.kind === 'secret' && previous.text.reveal()).toBe('old')
    expect(entities[0]?.trouble({ resource: 'a', version: 3 })).toMatch(/^has a version above 2/)
  })

  it('is not given, whoever asks, where it is not for references', async () => {
    const backend = environmentBackend({ KEYRING_API_TOKEN: 'no' }, () => null)
    expect(await backend.read(current('keyring_api_token'), HOW)).toEqual({ kind: 'forbidden' })
  })
})

describe('a file', () => {
  const folderWith = (make: (folder: string, outside: string) => void) => {
    const all = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
    onTestFinished(() => rmSync(all, { recursive: true }))
    const folder = join(all, 'in')
    mkdirSync(join(folder, 'db'), { recursive: true })
    writeFileSync(join(all, 'outside'), 'not for you')
    make(folder, join(all, 'outside'))
    return fileBackend(folder)
  }

  it.each([
    ['a link out of the folder', 'link'],
    ['a link to a folder outside', 'up/outside'],
  ])('is none: %s', async (_, resource) => {
    const backend = folderWith((folder, outside) => {
      symlinkSync(outside, join(folder, 'link'))
      symlinkSync('..', join(folder, 'up'))
    })
    expect(await backend.read(current(resource), HOW)).toEqual({ kind: 'forbidden' })
  })

  it('whose name is longer than a name may be is absent', async () => {
    const backend = folderWith(() => {})
    expect(await backend.read(current('x'.repeat(300)), HOW)).toEqual({ kind: 'absent' })
  })

  it.each([
    ['a folder', 'EISDIR', 'db'],
    ['a pipe', 'no ordinary file', 'pipe'],
    ['larger than 1 MiB', 'larger than 1 MiB', 'large'],
    ['a socket', 'ENXIO', 'socket'],
  ])('that is %s is a secret that cannot be used, and no outage', async (_name, why, resource) => {
    let socket = ''
    const backend = folderWith((folder) => {
      writeFileSync(join(folder, 'large'), 'x'.repeat(1024 * 1024 + 1))
      execFileSync('mkfifo', [join(folder, 'pipe')])
      socket = join(folder, 'socket')
    })
    const server = createServer().listen(socket)
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    await expect(backend.read(current(resource), HOW)).rejects.toMatchObject({
      code: 'ERR_SECRET_UNUSABLE',
      message: `The secret is no file that is read (${why}).`,
    })
  })

  it('that the disk does not give is an outage of the folder, not of the record store', async () => {
    const backend = folderWith(() => {})
    looked.for = () => {
      throw Object.assign(new Error('disk'), { code: 'EIO' })
    }
    onTestFinished(() => void (looked.for = () => {}))
    await expect(backend.read(current('password'), HOW)).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      remedy: "Check the vault's folder and its disk.",
    })
  })

  it('may be reached by a link within the folder, as Kubernetes makes them', async () => {
    const backend = folderWith((folder) => {
      mkdirSync(join(folder, '..2026'))
      writeFileSync(join(folder, '..2026', 'password'), 'one')
      symlinkSync('..2026', join(folder, '..data'))
      symlinkSync(join('..data', 'password'), join(folder, 'password'))
    })
    expect(await backend.read(current('password'), HOW)).toMatchObject({ kind: 'secret' })
  })
})
