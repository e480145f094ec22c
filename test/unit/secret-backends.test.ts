/** Vaults behind references that are not Vault: what they give, and what they never give. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readEntities } from '../../src/config/entities.ts'
import { fileBackend } from '../../functions/node-shared/secret-files.ts'
import { environmentBackend } from '../../src/secrets/environment.ts'
import { secretBackendContract } from '../contract/secret-backend.ts'

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

secretBackendContract('of files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  return {
    backend: fileBackend(folder),
    write: (resource, text) => writeFileSync(join(folder, resource), `${text}\n`),
    remove: (resource) => rmSync(join(folder, resource)),
    close: () => rmSync(folder, { recursive: true }),
  }
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
