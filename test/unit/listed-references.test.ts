/** `KEYRING_REFERENCES`: what is written there, and what the schedule makes of it. */
import { describe, expect, it } from 'vitest'
import { KeyringError } from '../../src/core/errors.ts'
import { parseConfig } from '../../src/config/config.ts'
import { readEntities } from '../../src/config/entities.ts'
import type { ListedSecret } from '../../src/core/secrets.ts'
import { outage, secretWorld, valueOrCode } from '../support/secrets.ts'

const PASS = '{vault://hcv/password/pass1}'
const DAY = 86_400_000

describe('the list', () => {
  const vaults = { KONG_VAULT_HCV_TOKEN: 'root', KONG_VAULT_HCV_KV: 'v2', KONG_VAULT_ENV_TTL: '60' }
  const read = (text: string) => {
    const { entities, broken } = readEntities({ ...vaults, KEYRING_REFERENCES: text }, 'node')
    const listed = entities.flatMap((entity) => entity.listed.map(({ resource, key }) => `${resource} ${key}`))
    return { listed, wrong: broken.flatMap(({ problems }) => problems.map(({ message }) => message)) }
  }

  it.each([
    ['JSON', `["${PASS}", "{vault://hcv/app/db/#2}"]`],
    ['spaces', `${PASS} {vault://hcv/app/db/#2}`],
    ['commas', `${PASS}, {vault://hcv/app/db/#2},`],
    ['lines', `\n${PASS}\n{vault://hcv/app/db/#2}\n`],
  ])('is read from %s', (_name, text) => {
    expect(read(text)).toEqual({ listed: ['password pass1', 'app/db null'], wrong: [] })
  })

  it('takes a reference that has a space and a comma for one', () => {
    expect(read('{vault://hcv/a, b/c} {vault://hcv/d/e}').listed).toEqual(['a, b c', 'd e'])
  })

  it('names what is wrong with an entry by its place, and goes on with the others', () => {
    const { listed, wrong } = read(`canary, ${PASS} {vault://other/a/b} {vault://env/a} {vault://hcv/../a}`)
    expect(listed).toEqual(['password pass1'])
    expect(wrong).toEqual([
      'entry 1 must begin with {vault://, with nothing before it (character 1)',
      'entry 3 names no vault that can be used',
      'entry 4 names variables of which no part is set aside: give that vault a prefix',
      expect.stringMatching(/^entry 5 has an empty, "\." or "\.\." segment/),
    ])
  })

  it.each(['[', '[1]'])('that is none is named: %s', (text) => {
    expect(read(text)).toEqual({
      listed: [],
      wrong: ['must be references, separated by spaces or commas, or a JSON list of them'],
    })
  })

  it('has 1,000 entries, and says that there were more', () => {
    const { listed, wrong } = read(Array.from({ length: 1001 }, (_, at) => `{vault://hcv/s${at}/a}`).join(' '))
    expect([listed.length, wrong]).toEqual([1000, ['has more than 1000 entries, and the others are not used']])
  })

  it('is a setting where vaults are asked, and makes no variable one of ours', () => {
    const text = '{vault://env/db?prefix=app_}'
    const env = { KONG_VAULT_ENV_PREFIX: 'APP_', KEYRING_REFERENCES: text }
    expect(readEntities(env, 'node')).toMatchObject({ broken: [], entities: [{ listed: [{ resource: 'db' }] }] })
    const problemsAt = (runtime: 'workers' | 'lambda-http') => {
      const parsed = parseConfig(env, runtime)
      return parsed.ok ? [] : parsed.problems.filter(({ name }) => name === 'KEYRING_REFERENCES')
    }
    expect(problemsAt('workers')).toEqual([])
    expect(problemsAt('lambda-http')).toHaveLength(1)
  })
})

const one = (resource: string, key: string | null = null, entry = 1): ListedSecret => ({
  resource,
  version: null,
  key,
  entry,
})
const worldOf = (...listed: readonly ListedSecret[]) => secretWorld({}, {}, { listed })

describe('what is listed', () => {
  it('is there after the first look, before anybody asks', async () => {
    const { vault, look, secrets } = worldOf(one('password', 'pass1'), one('password', 'pass2', 2))
    vault.answers.set('password', { pass1: 'one', pass2: 'two' })
    expect(await look()).toMatchObject({ value: 'refreshed' })
    vault.answers.set('password', outage())
    expect(await valueOrCode(secrets, PASS)).toBe('one')
    expect(vault.asked).toEqual(['password'])
  })

  it('is never forgotten, and one that was learnt is', async () => {
    const { vault, look, secrets, items, clock } = secretWorld({ ttlMs: 0 }, {}, { listed: [one('password')] })
    vault.answers.set('password', { pass1: 'one' })
    vault.answers.set('learnt', { a: 'x' })
    await look()
    await valueOrCode(secrets, '{vault://hcv/learnt/a}')
    // One of them describes the vault.
    expect(items.size()).toBe(3)
    for (let day = 0; day < 20; day += 1) {
      clock.time += DAY
      await look()
    }
    expect(items.size()).toBe(2)
    expect(vault.asked).toEqual(['password', 'learnt'])
  })

  it('is refreshed like others', async () => {
    const { vault, look, secrets, clock } = worldOf(one('password'))
    vault.answers.set('password', { pass1: 'one' })
    await look()
    vault.answers.set('password', { pass1: 'two' })
    clock.time += 59_000
    await look()
    expect(await valueOrCode(secrets, PASS)).toBe('two')
  })

  it('is said once in the log when it fails, by its place, and again when that has changed', async () => {
    const { vault, look, clock, log } = worldOf(one('password', 'pass1', 7), one('canary', null, 8))
    const told = () => log.map((line) => (JSON.parse(line) as { problem: string }).problem)
    vault.answers.set('password', { other: 'canary' })
    vault.answers.set('canary', 'forbidden')
    for (let minute = 0; minute < 5; minute += 1) {
      await look()
      clock.time += 60_000
    }
    expect(told()).toEqual([
      expect.stringMatching(/^entry 7: ERR_SECRET_UNUSABLE: /),
      expect.stringMatching(/^entry 8: ERR_SECRET_FORBIDDEN: /),
    ])
    vault.answers.set('canary', outage())
    clock.time += 60_000
    await look()
    expect(told().slice(2)).toEqual([expect.stringMatching(/^entry 8: ERR_VAULT_UNREACHABLE: /)])
    expect(log.join('')).not.toContain('canary')
  })

  it('fails the look when it cannot be stored', async () => {
    const { vault, look, items, log } = worldOf(one('password'))
    vault.answers.set('password', { pass1: 'one' })
    items.put = async () => Promise.reject(new KeyringError('ERR_STORE_UNAVAILABLE', 'The disk is full.'))
    expect(await look()).toMatchObject({ ok: false, error: { code: 'ERR_STORE_UNAVAILABLE' } })
    expect(log).toEqual([expect.stringContaining('entry 1: ERR_STORE_UNAVAILABLE')])
  })

  it('leaves the bound of what callers may learn alone', async () => {
    const { vault, look, secrets } = worldOf(...Array.from({ length: 1000 }, (_, at) => one(`s${at}`, null, at)))
    vault.answers.set('password', { pass1: 'one' })
    await look()
    expect(await valueOrCode(secrets, PASS)).toBe('one')
  })

  it('is taken up at a later look where Vault was down at the first', async () => {
    const { vault, look, secrets, clock } = worldOf(one('password'))
    vault.answers.set('password', outage())
    await look()
    vault.answers.set('password', { pass1: 'one' })
    clock.time += 60_000
    await look()
    vault.answers.set('password', outage())
    expect(await valueOrCode(secrets, PASS)).toBe('one')
  })
})
