/** Plants a violation of every rule into a copy of the tree, and sees the checker name it. */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')
const CONFIG = '.dependency-cruiser.cjs'
const { forbidden } = createRequire(import.meta.url)(join(ROOT, CONFIG)) as { forbidden: { name: string }[] }

/** For each rule: a file, and what it imports. */
const PLANTS: Readonly<Record<string, { file: string; text: string }>> = {
  'layer-core': { file: 'src/core/planted.ts', text: "export * from '#server/config/nearest'" },
  'layer-config': { file: 'src/config/planted.ts', text: "export * from '../crypto/xaes.ts'" },
  'layer-crypto': { file: 'src/crypto/planted.ts', text: "export type { Env } from '../config/names.ts'" },
  'layer-references': { file: 'src/references/planted.ts', text: "export * from '../config/names.ts'" },
  'layer-secrets': { file: 'src/secrets/planted.ts', text: "export * from '../config/names.ts'" },
  'layer-vault': { file: 'src/vault/planted.ts', text: "export * from '../keyring/plan.ts'" },
  'layer-auth': { file: 'src/auth/planted.ts', text: "export * from '../http/problem.ts'" },
  'layer-keyring': { file: 'src/keyring/planted.ts', text: "export * from '../vault/wire/path.ts'" },
  'layer-fields': { file: 'src/fields/planted.ts', text: "export * from '../keyring/plan.ts'" },
  'layer-library': { file: 'src/library/planted.ts', text: "export type { Env } from '../config/names.ts'" },
  'layer-http': { file: 'src/http/planted.ts', text: "export * from '../app.ts'" },
  'room-wire': { file: 'src/vault/wire/planted.ts', text: "export * from '../reader.ts'" },
  'room-login': { file: 'src/vault/login/planted.ts', text: "export * from '../token/state.ts'" },
  'room-token': { file: 'src/vault/token/planted.ts', text: "export * from '../kv/kv.ts'" },
  'room-kv': { file: 'src/vault/kv/planted.ts', text: "export * from '../login/method.ts'" },
  'room-doctor': { file: 'src/vault/doctor/planted.ts', text: "export * from '../open.ts'" },
  'library-hono': { file: 'src/keyring/planted-hono.ts', text: "export { Hono } from 'hono'" },
  'library-zod': { file: 'src/keyring/planted-zod.ts', text: "export { object } from 'zod/mini'" },
  'library-croner': { file: 'src/keyring/planted-croner.ts', text: "export { Cron } from 'croner'" },
  'library-leven': { file: 'src/keyring/planted-leven.ts', text: "export { closestMatch } from 'leven'" },
  'library-aws4fetch': { file: 'src/config/planted-aws.ts', text: "export { AwsV4Signer } from 'aws4fetch'" },
  'platform-cloudflare': { file: 'functions/cloudflare/planted.ts', text: "export * from '../node-shared/cipher.ts'" },
  'platform-node': { file: 'functions/node/planted.ts', text: "export * from '../cli/keys.ts'" },
  'platform-lambda': { file: 'functions/lambda/planted.ts', text: "export * from '../node/screen.ts'" },
  'platform-node-shared': { file: 'functions/node-shared/planted.ts', text: "export * from '../node/screen.ts'" },
  'platform-cli': { file: 'functions/cli/planted.ts', text: "export * from '../lambda/limits.ts'" },
  'platform-dev-vault': { file: 'functions/dev-vault/planted.ts', text: "export * from '../node-shared/cipher.ts'" },
  'no-circular': { file: 'src/core/planted-a.ts', text: "export * from './planted-b.ts'\nexport const a = 1" },
  'src-is-platform-free': { file: 'src/core/planted-node.ts', text: "export { readFileSync } from 'node:fs'" },
  'src-knows-no-deployment': {
    file: 'src/planted.ts',
    text: "export type { Setup } from '../functions/node/local.ts'",
  },
  'src-has-few-libraries': { file: 'src/core/planted-library.ts', text: "export { Command } from 'commander'" },
  'dev-vault-only-by-the-server': {
    file: 'functions/node/planted-vault.ts',
    text: "export const load = () => import('../dev-vault/server.ts')",
  },
  'dev-vault-only-lazily': { file: 'functions/node/planted-eager.ts', text: "export * from '../dev-vault/server.ts'" },
  'encrypt-path-without-vault': { file: 'src/keyring/keyring.ts', text: "export * from '../vault/wire/path.ts'" },
  'library-without-service': { file: 'src/library/planted-vault.ts', text: "export * from '../vault/wire/path.ts'" },
  'library-entries-alone': { file: 'functions/node-shared/testing.ts', text: "export * from '../../src/app.ts'" },
  'undici-only-lazily': { file: 'functions/node-shared/planted-undici.ts', text: "export { Agent } from 'undici'" },
  'undici-only-for-vault': {
    file: 'functions/node/planted-undici.ts',
    text: "export const load = () => import('undici')",
  },
  'aws-sdk-only-lazily': {
    file: 'functions/node/planted-aws.ts',
    text: "export { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'",
  },
  'no-unresolved': { file: 'src/core/planted-missing.ts', text: "export * from './nowhere.ts'" },
}
const BESIDE: Readonly<Record<string, string>> = {
  'src/core/planted-b.ts': "export * from './planted-a.ts'\nexport const b = 1",
}

interface Report {
  readonly summary: {
    readonly totalCruised: number
    readonly violations: { readonly from: string; readonly rule: { readonly name: string } }[]
  }
}

function cruise(folder: string): Report['summary'] {
  const program = join(ROOT, 'node_modules/.bin/depcruise')
  const json = execFileSync(
    process.execPath,
    [program, 'src', 'functions', '--config', CONFIG, '--output-type', 'json'],
    { cwd: folder, maxBuffer: 1e9, encoding: 'utf8' },
  )
  return (JSON.parse(json) as Report).summary
}

function copyTree(): string {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-layers-'))
  for (const part of ['src', 'functions', 'tsconfig.json', 'package.json', CONFIG])
    cpSync(join(ROOT, part), join(folder, part), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

function plant(folder: string, file: string, text: string): void {
  mkdirSync(join(folder, dirname(file)), { recursive: true })
  const before = existsSync(join(folder, file)) ? readFileSync(join(folder, file), 'utf8') : ''
  writeFileSync(join(folder, file), `${before}\n${text}\n`)
}

describe('the layers', () => {
  const folder = copyTree()
  afterAll(() => rmSync(folder, { recursive: true }))

  it('hold, and the checker has seen the whole tree', () => {
    const { violations, totalCruised } = cruise(folder)
    expect(violations).toEqual([])
    expect(totalCruised).toBeGreaterThan(70)
  })

  describe('once every rule is violated', () => {
    let violations: Report['summary']['violations'] = []
    beforeAll(() => {
      for (const { file, text } of Object.values(PLANTS)) plant(folder, file, text)
      for (const [file, text] of Object.entries(BESIDE)) plant(folder, file, text)
      violations = cruise(folder).violations
    }, 60_000)

    it('have a plant for each rule', () => {
      expect(Object.keys(PLANTS).toSorted()).toEqual(forbidden.map(({ name }) => name).toSorted())
    })

    it.each(forbidden.map(({ name }) => name))('are checked: %s', (name) => {
      expect(violations.map(({ from, rule }) => `${rule.name} ${from}`)).toContain(`${name} ${PLANTS[name]?.file}`)
    })
  })
})
