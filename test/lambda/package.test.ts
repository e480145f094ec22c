import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LAMBDA_FOLDER, buildLambda } from '../../tools/build-lambda.ts'
import type { Bundle } from '../../tools/build-lambda.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
/** Callers pay for its cold start: decision 9. */
const MAX_HTTP_KIB = 40
const MAX_SYNC_KIB = 69

interface Statement {
  readonly Effect: string
  readonly Action: string | readonly string[]
  readonly Resource: unknown
}
type Resource = { readonly Type: string; readonly Properties: Record<string, unknown> } & Record<string, unknown>
type Resources = Readonly<Record<string, Resource>>

describe('the package for Lambda', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-package-'))
  let resources: Resources

  /** Without credentials, without network: what an operator has before the first deployment. */
  beforeAll(async () => {
    const env = { PATH: process.env['PATH'], HOME: folder, KEYRING_VAULT_HOST: 'https://vault.example' }
    await run('npm', ['run', '--silent', 'package:lambda', '--', '--package', folder], { cwd: ROOT, env })
    const template = readFileSync(join(folder, 'cloudformation-template-update-stack.json'), 'utf8')
    resources = (JSON.parse(template) as { Resources: Resources }).Resources
  }, 120_000)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const named = (name: string): Resource => {
    const resource = resources[name]
    if (resource === undefined) throw new Error(`There is no ${name}.`)
    return resource
  }
  const ofType = (type: string): string[] =>
    Object.entries(resources).flatMap(([name, resource]) => (resource.Type === type ? [name] : []))
  const statements = (role: string) => {
    const policies = named(role).Properties['Policies'] as { PolicyDocument: { Statement: Statement[] } }[]
    return policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement)
  }
  const allow = (resource: string, ...actions: string[]) => ({
    Effect: 'Allow',
    Action: actions,
    Resource: { 'Fn::GetAtt': [resource, 'Arn'] },
  })

  it('has no secret for a login that needs none, and that of a login that does', async () => {
    const other = mkdtempSync(join(tmpdir(), 'edge-keyring-package-'))
    const login = { KEYRING_VAULT_AUTH_METHOD: 'aws_iam', KEYRING_VAULT_AWS_AUTH_ROLE: 'edge' }
    const env = { PATH: process.env['PATH'], HOME: folder, KEYRING_VAULT_HOST: 'https://vault.example', ...login }
    await run('npx', ['osls', 'package', '--package', other], { cwd: ROOT, env })
    const template = readFileSync(join(other, 'cloudformation-template-update-stack.json'), 'utf8')
    rmSync(other, { recursive: true })
    expect(template).toContain('"KEYRING_VAULT_AUTH_METHOD":"aws_iam"'.replace(':', ': '))
    expect(template).not.toMatch(/:vault_token}}|:secret_id}}/)
    expect(JSON.stringify(resources)).toMatch(/:vault_token}}/)
  }, 60_000)

  it('is none when a function would refuse its settings: they are named, with exit status 2, and nothing is left to deploy', async () => {
    const other = mkdtempSync(join(tmpdir(), 'edge-keyring-package-'))
    const wrong = { KEYRING_VAULT_HOST: 'http://vault.example', KEYRING_SYNC_PERIOD: 'canary-value' }
    const env = { PATH: process.env['PATH'], HOME: folder, ...wrong }
    const packaging = run('node', ['tools/package-lambda.ts', '--package', other], { cwd: ROOT, env })
    const { code, stderr } = (await packaging.catch((error: unknown) => error)) as { code: number; stderr: string }
    const left = readdirSync(other)
    rmSync(other, { recursive: true })
    expect(code).toBe(2)
    expect(stderr).toMatch(/ {2}KEYRING_SYNC_PERIOD: .*\n {2}KEYRING_VAULT_HOST: must be https/)
    expect(stderr).not.toContain('canary-value')
    expect(left).not.toContain('serverless-state.json')
    expect(left.filter((name) => name.startsWith('cloudformation-template-update'))).toEqual([])
  }, 60_000)

  const zipped = async (name: string): Promise<string[]> => {
    const { stdout } = await run('python3', ['-m', 'zipfile', '-l', join(folder, `${name}.zip`)])
    const lines = stdout.trim().split('\n').slice(1)
    return lines.map((line) => line.split(' ')[0] ?? '').toSorted()
  }

  it('has in each zip one bundle with all that it loads later, and nothing else', async () => {
    expect(await zipped('http')).toEqual(['dist/lambda/http.mjs'])
    const later = readdirSync(join(LAMBDA_FOLDER, 'sync')).map((name) => `dist/lambda/sync/${name}`)
    expect(later.filter((name) => name.includes('undici'))).toHaveLength(1)
    expect(await zipped('sync')).toEqual(['dist/lambda/sync.mjs', ...later].toSorted())
  })

  it('lets the HTTP function read keyrings and their status, and invoke the sync function, and the sync function read and write the table', () => {
    expect(statements('HttpRole')).toEqual([
      {
        ...allow('KeyringTable', 'dynamodb:GetItem'),
        Condition: {
          'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['keyring/*', 'status/*'] },
          Null: { 'dynamodb:LeadingKeys': 'false' },
        },
      },
      allow('SyncLambdaFunction', 'lambda:InvokeFunction'),
      allow('HttpLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'),
    ])
    expect(statements('SyncRole')).toEqual([
      allow('KeyringTable', 'dynamodb:GetItem', 'dynamodb:PutItem'),
      allow('SyncLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'),
    ])
  })

  it('gives the HTTP function derived keys where they are set, and the sync function the wrapping keys', async () => {
    const other = mkdtempSync(join(tmpdir(), 'edge-keyring-package-'))
    const derived = '{{resolve:secretsmanager:edge-keyring:SecretString:derived_keys}}'
    const env = {
      PATH: process.env['PATH'],
      HOME: folder,
      KEYRING_VAULT_HOST: 'https://vault.example',
      KEYRING_HTTP_WRAPPING_KEYS: derived,
    }
    await run('npx', ['osls', 'package', '--package', other], { cwd: ROOT, env })
    const template = readFileSync(join(other, 'cloudformation-template-update-stack.json'), 'utf8')
    rmSync(other, { recursive: true })
    const keysOf = (of: Resources, name: string) => {
      const environment = of[name]?.Properties['Environment'] as { Variables: Record<string, unknown> } | undefined
      return environment?.Variables['KEYRING_WRAPPING_KEYS']
    }
    const whole = '{{resolve:secretsmanager:edge-keyring:SecretString:wrapping_keys}}'
    const { Resources: given } = JSON.parse(template) as { Resources: Resources }
    expect(['HttpLambdaFunction', 'SyncLambdaFunction'].map((name) => keysOf(given, name))).toEqual([derived, whole])
    expect(['HttpLambdaFunction', 'SyncLambdaFunction'].map((name) => keysOf(resources, name))).toEqual([whole, whole])
  }, 60_000)

  it('gives each function its own role and no other, without managed policies', () => {
    expect(ofType('AWS::IAM::Role').sort()).toEqual(['HttpRole', 'SyncRole'])
    expect([...ofType('AWS::IAM::Policy'), ...ofType('AWS::IAM::ManagedPolicy')]).toEqual([])
    for (const role of ['HttpRole', 'SyncRole']) expect(named(role).Properties['ManagedPolicyArns']).toBeUndefined()
    expect(named('HttpLambdaFunction').Properties['Role']).toEqual({ 'Fn::GetAtt': ['HttpRole', 'Arn'] })
    expect(named('SyncLambdaFunction').Properties['Role']).toEqual({ 'Fn::GetAtt': ['SyncRole', 'Arn'] })
  })

  it('keeps the table, whatever happens to the stack', () => {
    expect(named('KeyringTable')).toMatchObject({
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        BillingMode: 'PAY_PER_REQUEST',
        DeletionProtectionEnabled: true,
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        KeySchema: [{ AttributeName: 'name', KeyType: 'HASH' }],
      },
    })
  })

  it('keeps logs for a limited time', () => {
    for (const group of ['HttpLogGroup', 'SyncLogGroup']) expect(named(group).Properties['RetentionInDays']).toBe(90)
    expect(ofType('AWS::Logs::LogGroup')).toHaveLength(2)
  })

  it('runs the sync function once a minute by a rule, without repeating what failed', () => {
    expect(ofType('AWS::Scheduler::Schedule')).toEqual([])
    const [rule = '', ...others] = ofType('AWS::Events::Rule')
    expect(others).toEqual([])
    expect(named(rule).Properties).toMatchObject({
      ScheduleExpression: 'rate(1 minute)',
      State: 'ENABLED',
      Targets: [{ Arn: { 'Fn::GetAtt': ['SyncLambdaFunction', 'Arn'] } }],
    })
    expect(named('SyncLambdaEvConf').Properties).toMatchObject({ MaximumRetryAttempts: 0 })
  })

  it('has a URL for the HTTP function alone', () => {
    expect(ofType('AWS::Lambda::Url')).toEqual(['HttpLambdaFunctionUrl'])
    const open = ofType('AWS::Lambda::Permission').filter((name) => named(name).Properties['Principal'] === '*')
    for (const name of open)
      expect(named(name).Properties['FunctionName']).toEqual({ 'Fn::GetAtt': ['HttpLambdaFunction', 'Arn'] })
  })

  it('runs on Node 24 on arm64, each function with the settings it reads', () => {
    const variables = (name: string) => {
      const { Runtime, Architectures, Environment } = named(name).Properties
      expect([Runtime, Architectures]).toEqual(['nodejs24.x', ['arm64']])
      return (Environment as { Variables: Record<string, unknown> }).Variables
    }
    expect(Object.keys(variables('HttpLambdaFunction')).filter((name) => name.includes('VAULT'))).toEqual([])
    expect(variables('HttpLambdaFunction')).toMatchObject({ KEYRING_SYNC_FUNCTION: { Ref: 'SyncLambdaFunction' } })
    expect(variables('SyncLambdaFunction')).toMatchObject({ KEYRING_TABLE: { Ref: 'KeyringTable' } })
    expect(Object.keys(variables('SyncLambdaFunction'))).not.toContain('KEYRING_API_TOKENS')
  })
})

describe('the bundle of the HTTP function', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-bundle-'))
  let bundle: Bundle
  beforeAll(async () => {
    bundle = await buildLambda('http', folder)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('has no code that asks Vault, syncs, changes or logs in, no undici, no SDK, and no settings of those', () => {
    const foreign =
      /node_modules\/(undici|@aws-sdk|@smithy|hono\/dist\/utils\/jwt|leven)|src\/vault\/|src\/config\/(login|config|settings|names|reach)|src\/keyring\/(authority|sync|plan|apply|change|schedule)\.ts/
    const { start, later } = bundle
    expect([...start.parts, ...later.parts].filter((part) => foreign.test(part))).toEqual([])
    expect(start.parts).toContain('src/keyring/keyring.ts')
  })

  it(`has at most ${MAX_HTTP_KIB} KiB, gzipped`, () => {
    expect(bundle.start.gzipped / 1024).toBeLessThanOrEqual(MAX_HTTP_KIB)
  })
})

describe('the bundle of the sync function', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-bundle-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it(`has undici and croner among what is loaded when it is needed, and at most ${MAX_SYNC_KIB} KiB, gzipped, at the start`, async () => {
    const { start, later } = await buildLambda('sync', folder)
    for (const library of ['undici', 'croner']) {
      const isOf = (part: string): boolean => part.startsWith(`node_modules/${library}/`)
      expect([library, start.parts.some(isOf), later.parts.some(isOf)]).toEqual([library, false, true])
    }
    expect(start.gzipped / 1024).toBeLessThanOrEqual(MAX_SYNC_KIB)
  })
})
