import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LAMBDA_FOLDER, buildLambda } from '../../tools/build-lambda.ts'
import type { Bundle } from '../../tools/build-lambda.ts'
import { SECRETS_TABLE } from '../support/lambda/table.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
/** Callers pay for its cold start: decision 9. */
const MAX_HTTP_KIB = 40
const MAX_SYNC_KIB = 69

interface Statement {
  readonly Effect: string
  readonly Action: string | readonly string[]
  readonly Resource: unknown
  readonly Condition?: Readonly<Record<string, object>>
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

  /** The resources with these settings. */
  async function packaged(
    settings: Readonly<Record<string, string | undefined>>,
    ...words: string[]
  ): Promise<Resources> {
    const other = mkdtempSync(join(tmpdir(), 'edge-keyring-package-'))
    const env = { PATH: process.env['PATH'], HOME: folder, KEYRING_VAULT_HOST: 'https://vault.example', ...settings }
    await run('npx', ['osls', 'package', '--package', other, ...words], { cwd: ROOT, env })
    const text = readFileSync(join(other, 'cloudformation-template-update-stack.json'), 'utf8')
    rmSync(other, { recursive: true })
    return (JSON.parse(text) as { Resources: Resources }).Resources
  }
  const variablesOf = (of: Resources, name: string) =>
    (of[`${name}LambdaFunction`] as { Properties: { Environment: { Variables: Record<string, unknown> } } } | undefined)
      ?.Properties.Environment.Variables ?? {}

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

  it('needs neither address nor login of Vault where somebody pushes', { timeout: 60_000 }, async () => {
    const given = await packaged({ KEYRING_STRATEGY: 'push', KEYRING_VAULT_HOST: undefined })
    for (const name of ['Sync', 'Rotate']) {
      expect(variablesOf(given, name)).toMatchObject({
        KEYRING_STRATEGY: 'push',
        KEYRING_VAULT_HOST: '',
        KEYRING_VAULT_AUTH_METHOD: '',
        KEYRING_VAULT_TOKEN: '',
      })
    }
    expect(variablesOf(resources, 'Sync')).toMatchObject({
      KEYRING_STRATEGY: 'vault',
      KEYRING_VAULT_HOST: 'https://vault.example',
    })
    await expect(packaged({ KEYRING_VAULT_HOST: undefined })).rejects.toMatchObject({
      stdout: expect.stringContaining('KEYRING_VAULT_HOST'),
    })
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
    for (const [name, part] of [
      ['http', 'http-later'],
      ['sync', 'undici'],
      ['rotate', 'undici'],
    ] as const) {
      const later = readdirSync(join(LAMBDA_FOLDER, name)).map((each) => `dist/lambda/${name}/${each}`)
      expect(later.filter((each) => each.includes(part))).toHaveLength(1)
      expect(await zipped(name)).toEqual([`dist/lambda/${name}.mjs`, ...later].toSorted())
    }
  })

  it('lets the HTTP function read keyrings and their status, and invoke the others, and those read and write the table; what references gave is read by the first and kept by the sync function alone', () => {
    const secrets = { 'Fn::GetAtt': ['SecretsTable', 'Arn'] }
    expect(statements('HttpRole')).toEqual([
      {
        ...allow('KeyringTable', 'dynamodb:GetItem'),
        Condition: {
          'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['keyring/*', 'status/*'] },
          Null: { 'dynamodb:LeadingKeys': 'false' },
        },
      },
      allow('SecretsTable', 'dynamodb:GetItem'),
      {
        ...allow('SyncLambdaFunction', 'lambda:InvokeFunction'),
        Resource: ['Sync', 'Rotate'].map((name) => ({ 'Fn::GetAtt': [`${name}LambdaFunction`, 'Arn'] })),
      },
      allow('HttpLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'),
    ])
    const kept = {
      ...allow('SecretsTable', 'dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:DeleteItem', 'dynamodb:Query'),
      Resource: [secrets, { 'Fn::Join': ['/', [secrets, 'index/due']] }],
    }
    for (const [name, more] of [
      ['Sync', [kept]],
      ['Rotate', []],
    ] as const)
      expect(statements(`${name}Role`)).toEqual([
        allow('KeyringTable', 'dynamodb:GetItem', 'dynamodb:PutItem'),
        ...more,
        allow(`${name}LogGroup`, 'logs:CreateLogStream', 'logs:PutLogEvents'),
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
    expect(ofType('AWS::IAM::Role').sort()).toEqual(['HttpRole', 'RotateRole', 'SyncRole'])
    expect([...ofType('AWS::IAM::Policy'), ...ofType('AWS::IAM::ManagedPolicy')]).toEqual([])
    for (const name of ['Http', 'Sync', 'Rotate']) {
      expect(named(`${name}Role`).Properties['ManagedPolicyArns']).toBeUndefined()
      expect(named(`${name}LambdaFunction`).Properties['Role']).toEqual({ 'Fn::GetAtt': [`${name}Role`, 'Arn'] })
    }
  })

  it('lets sync and rotate read the secrets that are named for it, and rotate alone those of the login that writes', async () => {
    const arn = (name: string) => `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${name}-AbCdEf`
    const given = await packaged({
      KEYRING_SECRET_ARNS: `${arn('a')},${arn('b')}`,
      KEYRING_ROTATION_SECRET_ARNS: arn('c'),
    })
    const policies = Object.values(given).filter(({ Type }) => Type === 'AWS::IAM::Policy')
    const granted = policies.map(({ Properties: { Roles, PolicyDocument } }) => [
      (Roles as { Ref: string }[]).map(({ Ref }) => Ref),
      (PolicyDocument as { Statement: unknown }).Statement,
    ])
    const reading = (arns: string) => [
      { Effect: 'Allow', Action: ['secretsmanager:GetSecretValue'], Resource: { 'Fn::Split': [',', arns] } },
    ]
    expect(granted).toEqual([
      [['SyncRole', 'RotateRole'], reading(`${arn('a')},${arn('b')}`)],
      [['RotateRole'], reading(arn('c'))],
    ])
  }, 60_000)

  it.each([
    ['KeyringTable', { KeySchema: [{ AttributeName: 'name', KeyType: 'HASH' }] }],
    ['SecretsTable', { ...SECRETS_TABLE, TimeToLiveSpecification: { AttributeName: 'expires', Enabled: true } }],
  ])('keeps %s, whatever happens to the stack', (name, shape) => {
    expect(named(name)).toMatchObject({
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        BillingMode: 'PAY_PER_REQUEST',
        DeletionProtectionEnabled: true,
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        ...shape,
      },
    })
  })

  it('keeps logs for a limited time', () => {
    for (const name of ['Http', 'Sync', 'Rotate'])
      expect(named(`${name}LogGroup`).Properties['RetentionInDays']).toBe(90)
    expect(ofType('AWS::Logs::LogGroup')).toHaveLength(3)
  })

  /** Which functions a rule runs once a minute. */
  const ruled = (of: Resources) =>
    Object.values(of)
      .filter(({ Type, Properties }) => Type === 'AWS::Events::Rule' && Properties['State'] === 'ENABLED')
      .map(({ Properties }) => [Properties['ScheduleExpression'], Properties['Targets']])
  const onceAMinute = (name: string, more = {}) => [
    ['rate(1 minute)', [{ Arn: { 'Fn::GetAtt': [`${name}LambdaFunction`, 'Arn'] }, Id: expect.any(String), ...more }]],
  ]

  it('runs the sync function once a minute by a rule, without repeating what failed', () => {
    expect(ofType('AWS::Scheduler::Schedule')).toEqual([])
    expect(ruled(resources)).toEqual(onceAMinute('Sync'))
    for (const name of ['Sync', 'Rotate'])
      expect(named(`${name}LambdaEvConf`).Properties).toMatchObject({ MaximumRetryAttempts: 0 })
  })

  it.each(['30d', 'CRON_TZ=Europe/Berlin 0,30 3 1-7 */2 MON'])(
    'with a rotation (%s) runs the rotate function instead, which alone has the login that writes',
    async (cadence) => {
      const given = await packaged({
        KEYRING_ROTATION: cadence,
        KEYRING_ROTATION_DELAY: '900',
        KEYRING_ROTATION_PRUNE: 'held',
        KEYRING_ROTATION_VAULT_AUTH_METHOD: 'token',
      })
      expect(ruled(given)).toEqual(onceAMinute('Rotate'))
      const all = { KEYRING_ROTATION: cadence, KEYRING_ROTATION_DELAY: '900' }
      expect(variablesOf(given, 'Sync')).toMatchObject(all)
      expect(Object.keys(variablesOf(given, 'Sync')).filter((name) => /ROTATION_(VAULT|PRUNE)/.test(name))).toEqual([])
      expect(Object.keys(variablesOf(given, 'Http')).filter((name) => name.includes('ROTATION'))).toEqual([])
      expect(variablesOf(given, 'Rotate')).toMatchObject({
        ...all,
        ...variablesOf(given, 'Sync'),
        KEYRING_ROTATION_PRUNE: 'held',
        KEYRING_ROTATION_VAULT_TOKEN: '{{resolve:secretsmanager:edge-keyring:SecretString:rotation_token}}',
      })
    },
    60_000,
  )

  it('gives vaults behind references to sync and http, this one its own list where there is one, and with a rotation a rule of the sync function', async () => {
    const vaults = JSON.stringify({ vaults: [{ name: 'aws', prefix: 'secrets', config: { region: 'eu-central-1' } }] })
    const listed = '{vault://secrets/app/password}'
    const lists = { KEYRING_VAULTS: vaults, KEYRING_HTTP_VAULTS: '[]', KEYRING_REFERENCES: listed }
    const given = await packaged({ ...lists, KEYRING_ROTATION: '30d' })
    const ofEach = (of: Resources, setting = 'KEYRING_VAULTS') =>
      ['Http', 'Sync', 'Rotate'].map((name) => variablesOf(of, name)[setting])
    expect(ofEach(given)).toEqual(['[]', vaults, ''])
    expect(ofEach(given, 'KEYRING_REFERENCES')).toEqual([undefined, listed, ''])
    const ofVaults = onceAMinute('Sync', { Input: '{"schedule":"vaults"}' })
    expect(ruled(given)).toEqual([...ofVaults, ...onceAMinute('Rotate')])
    const without = await packaged({ KEYRING_VAULTS: vaults })
    expect(ofEach(without)).toEqual([vaults, vaults, ''])
    expect(ruled(without)).toEqual(onceAMinute('Sync'))
  }, 60_000)

  it('joins a VPC with the functions that ask Vault, and lets their roles, where its lines in serverless.yml are taken in', async () => {
    const yaml = readFileSync(join(ROOT, 'serverless.yml'), 'utf8')
    const config = join(ROOT, `serverless.${process.pid}.yml`)
    const lines =
      /^( *(?:- )?)# (?=(?:vpc|join):|- \*join| {2}(?:securityGroupIds|subnetIds|Effect|Action|Resource):)/gm
    writeFileSync(config, yaml.replace(lines, '$1').replaceAll(/\[(sg|subnet)-…\]/g, '[$1-1]'))
    const given = await packaged({}, '--config', basename(config)).finally(() => rmSync(config))
    const isIn = (name: string) => given[`${name}LambdaFunction`]?.Properties['VpcConfig'] !== undefined
    const mayJoin = (name: string) => JSON.stringify(given[`${name}Role`]).includes('ec2:CreateNetworkInterface')
    expect(['Http', 'Sync', 'Rotate'].map(isIn)).toEqual([false, true, true])
    expect(['Http', 'Sync', 'Rotate'].map(mayJoin)).toEqual([false, true, true])
  }, 60_000)

  it('permits each trigger to invoke its function, and nothing else', () => {
    const permissions = ofType('AWS::Lambda::Permission').map((name) => named(name).Properties)
    const attribute = (resource: string) => ({ 'Fn::GetAtt': [resource, 'Arn'] })
    const byRule = Object.fromEntries(
      permissions.filter(({ Principal }) => Principal !== '*').map((each) => [JSON.stringify(each['SourceArn']), each]),
    )
    for (const rule of ofType('AWS::Events::Rule')) {
      const [{ Arn: target } = {}] = named(rule).Properties['Targets'] as { Arn: unknown }[]
      expect(byRule[JSON.stringify(attribute(rule))]).toEqual({
        FunctionName: target,
        Action: 'lambda:InvokeFunction',
        Principal: 'events.amazonaws.com',
        SourceArn: attribute(rule),
      })
    }
    const open = permissions.filter(({ Principal }) => Principal === '*')
    expect(new Set(open.map(({ Action }) => Action))).toEqual(
      new Set(['lambda:InvokeFunction', 'lambda:InvokeFunctionUrl']),
    )
    for (const each of open)
      expect(each).toMatchObject(
        each['Action'] === 'lambda:InvokeFunction' ? { InvokedViaFunctionUrl: true } : { FunctionUrlAuthType: 'NONE' },
      )
    expect(permissions).toHaveLength(Object.keys(byRule).length + open.length)
  })

  /** DynamoDB's own: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html. A misspelt one would never hold, or always. */
  it('has conditions with operators and keys that there are', () => {
    const conditions = ofType('AWS::IAM::Role').flatMap((role) =>
      statements(role).flatMap(({ Condition }) => Object.entries(Condition ?? {})),
    )
    expect(conditions).not.toEqual([])
    for (const [operator, keys] of conditions) {
      expect(['ForAllValues:StringLike', 'Null']).toContain(operator)
      for (const key of Object.keys(keys)) expect(key).toBe('dynamodb:LeadingKeys')
    }
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
    expect(Object.keys(variables('HttpLambdaFunction')).filter((name) => name.includes('VAULT'))).toEqual([
      'KEYRING_VAULTS',
    ])
    expect(variables('HttpLambdaFunction')).toMatchObject({ KEYRING_SYNC_FUNCTION: { Ref: 'SyncLambdaFunction' } })
    expect(variables('SyncLambdaFunction')).toMatchObject({ KEYRING_TABLE: { Ref: 'KeyringTable' } })
    for (const name of ['Http', 'Sync'])
      expect(variables(`${name}LambdaFunction`)).toMatchObject({ KEYRING_SECRETS_TABLE: { Ref: 'SecretsTable' } })
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

describe.each(['sync', 'rotate'] as const)('the bundle of the function %s', (name) => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-bundle-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it(`has undici, croner and the SDK among what is loaded when it is needed, and at most ${MAX_SYNC_KIB} KiB, gzipped, at the start`, async () => {
    const { start, later } = await buildLambda(name, folder)
    for (const library of ['undici', 'croner', '@aws-sdk']) {
      const isOf = (part: string): boolean => part.startsWith(`node_modules/${library}/`)
      expect([library, start.parts.some(isOf), later.parts.some(isOf)]).toEqual([library, false, true])
    }
    expect(start.gzipped / 1024).toBeLessThanOrEqual(MAX_SYNC_KIB)
  })
})
