/** The packaged template as a stack: cfn-lint looks at it, moto creates it, and its functions run on the events of its rules. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FUNCTIONS, buildLambda } from '../../tools/build-lambda.ts'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import type { LambdaFunction } from '../support/lambda/cloud.ts'
import { functionUrl, invokeApi, startFunction } from '../support/lambda/cloud.ts'
import type { Cloud } from '../support/lambda/stack.ts'
import { hasTools, lint, startCloud } from '../support/lambda/stack.ts'
import { awsEnvironment } from '../support/lambda/table.ts'
import type { Listening } from '../support/listen.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
const TOKEN = 'ek_lambda_admin'
const STACK = 'edge-keyring-production'
/** moto has none of these. */
const LACKING = new Set(['AWS::Lambda::Url', 'AWS::Lambda::EventInvokeConfig', 'AWS::S3::BucketPolicy'])

type Resource = { readonly Type: string; readonly Properties: Record<string, unknown> }
interface Template {
  readonly Resources: Record<string, Resource>
  readonly Outputs: Record<string, unknown>
}

/** A secret whose one version was written long ago, so that a rotation is due. */
async function oldVault(folder: string): Promise<DevVault> {
  const dataFile = join(folder, 'vault.json')
  const seed = { mount: 'secret', path: 'keyring', data: { id: 'first001', key: `${'first '.repeat(9)}0123456789` } }
  await (await startDevVault({ port: 0, dataFile, seed })).close()
  writeFileSync(dataFile, readFileSync(dataFile, 'utf8').replaceAll(/"20\d\d(-\d\d-\d\dT)/g, '"2025$1'))
  return startDevVault({ port: 0, dataFile })
}

/** Read by reference while the functions run. */
const SECRET = 'edge-keyring'
const SETTINGS = {
  KEYRING_ROTATION: '30d',
  KEYRING_VAULT_TOKEN: `{vault://aws/${SECRET}/vault_token}`,
  KEYRING_VAULTS: JSON.stringify({ vaults: [{ name: 'aws', prefix: 'from-aws', config: { region: 'eu-central-1' } }] }),
  KEYRING_SECRET_ARNS: `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${SECRET}-??????`,
  KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
  KEYRING_API_TOKENS: JSON.stringify([
    { name: 'admin', sha256: createHash('sha256').update(TOKEN).digest('hex'), grants: ['admin'] },
  ]),
}

const isThere = await hasTools()

describe.skipIf(!isThere)('the stack', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-stack-'))
  const project = join(folder, 'project')
  const inPackage = (name: string): string => join(project, '.serverless', name)
  const file = inPackage('cloudformation-template-update-stack.json')
  let vault: DevVault
  let cloud: Cloud
  let template: Template
  const instances = new Map<string, LambdaFunction>()
  const open: Listening[] = []

  beforeAll(async () => {
    vault = await oldVault(folder)
    // In a folder of its own: another suite packages at the same time what lies in dist/.
    for (const name of FUNCTIONS) await buildLambda(name, join(project, 'dist/lambda'))
    copyFileSync(join(ROOT, 'serverless.yml'), join(project, 'serverless.yml'))
    const env = { PATH: process.env['PATH'], HOME: folder, KEYRING_VAULT_HOST: vault.address, ...SETTINGS }
    await run(join(ROOT, 'node_modules/.bin/osls'), ['package'], { cwd: project, env })
    template = JSON.parse(readFileSync(file, 'utf8')) as Template
    cloud = await startCloud()
    const secret = { Name: SECRET, SecretString: '{"vault_token":"root"}' }
    await cloud.json('secretsmanager', 'POST', '/', secret, 'secretsmanager.CreateSecret')
  }, 120_000)
  afterAll(async () => {
    for (const listening of open) await listening.close()
    for (const instance of instances.values()) await instance.stop()
    await cloud.close()
    await vault.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const formation = (fields: Readonly<Record<string, string>>) =>
    cloud.query('cloudformation', '2010-05-15', { StackName: STACK, ...fields })
  /** The physical name of a resource. */
  const named = async (LogicalResourceId: string): Promise<string> => {
    const xml = await formation({ Action: 'DescribeStackResource', LogicalResourceId })
    return /<PhysicalResourceId>([^<]+)</.exec(xml)?.[1] ?? ''
  }
  const withoutLacking = ({ Resources, Outputs, ...rest }: Template): string => {
    const known = Object.entries(Resources).filter(([, { Type }]) => !LACKING.has(Type))
    const told = Object.entries(Outputs).filter(([, output]) => !JSON.stringify(output).includes('FunctionUrl'))
    return JSON.stringify({ ...rest, Resources: Object.fromEntries(known), Outputs: Object.fromEntries(told) })
  }

  it('passes cfn-lint without a finding, which finds a fault that is planted', async () => {
    expect(await lint(file)).toBe('')
    const wrong = join(folder, 'wrong.json')
    writeFileSync(wrong, readFileSync(file, 'utf8').replace('rate(1 minute)', 'rate(1 minutes)'))
    expect(await lint(wrong)).toMatch(/E3027/)
  }, 120_000)

  it('is created by moto, but for the three kinds of resource that it lacks; the URL by its API', async () => {
    const bucketOnly = JSON.parse(
      readFileSync(inPackage('cloudformation-template-create-stack.json'), 'utf8'),
    ) as Template
    await formation({ Action: 'CreateStack', TemplateBody: withoutLacking(bucketOnly) })
    const bucket = await named('ServerlessDeploymentBucket')
    for (const name of FUNCTIONS) {
      const resource = template.Resources[`${name[0]?.toUpperCase()}${name.slice(1)}LambdaFunction`]
      const code = resource?.Properties['Code'] as { S3Key: string } | undefined
      await cloud.upload(bucket, code?.S3Key ?? '', inPackage(`${name}.zip`))
    }
    await formation({ Action: 'UpdateStack', TemplateBody: withoutLacking(template) })
    expect(await formation({ Action: 'DescribeStacks' })).toMatch(/<StackStatus>UPDATE_COMPLETE</)
    const url = `/2021-10-31/functions/${await named('HttpLambdaFunction')}/url`
    expect(await cloud.json('lambda', 'POST', url, { AuthType: 'NONE' })).toMatchObject({ AuthType: 'NONE' })
  }, 60_000)

  /** The function of this name, run from its zip with the environment that the stack gives it. */
  async function start(logicalId: string): Promise<LambdaFunction> {
    const name = await named(logicalId)
    const known = instances.get(name)
    if (known) return known
    const configuration = await cloud.json('lambda', 'GET', `/2015-03-31/functions/${name}/configuration`)
    const { Handler, Environment, Timeout } = configuration as {
      Handler: string
      Environment: { Variables: Record<string, string> }
      Timeout: number
    }
    const [bundle = ''] = Handler.split('.')
    const to = join(folder, bundle)
    await run('python3', ['-m', 'zipfile', '-e', inPackage(`${bundle.split('/').at(-1)}.zip`), to])
    const api = open[0] ?? (await invokeApi((each) => instances.get(each)))
    if (open.length === 0) open.push(api)
    const aws = {
      ...awsEnvironment(cloud.address),
      AWS_ENDPOINT_URL_LAMBDA: api.url,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: cloud.address,
    }
    const instance = await startFunction(
      `${join(to, bundle)}.mjs`,
      { ...aws, ...Environment.Variables },
      Timeout * 1000,
    )
    instances.set(name, instance)
    return instance
  }

  /** What the rules that are on send to their functions. */
  async function runRules(): Promise<string[]> {
    const on = Object.entries(template.Resources).filter(([, { Type }]) => Type === 'AWS::Events::Rule')
    const ran: string[] = []
    for (const [logicalId] of on) {
      const Name = await named(logicalId)
      const events = (operation: string, body: object) =>
        cloud.json('events', 'POST', '/', body, `AWSEvents.${operation}`)
      const { State, Arn } = (await events('DescribeRule', { Name })) as { State: string; Arn: string }
      if (State !== 'ENABLED') continue
      const { Targets } = (await events('ListTargetsByRule', { Rule: Name })) as {
        Targets: { Arn: string; Input?: string }[]
      }
      for (const target of Targets) {
        const functionName = target.Arn.split(':').at(-1) ?? ''
        const logical = await Promise.all(
          ['SyncLambdaFunction', 'RotateLambdaFunction'].map(async (id) =>
            (await named(id)) === functionName ? id : '',
          ),
        )
        const scheduled = { source: 'aws.events', 'detail-type': 'Scheduled Event', resources: [Arn], detail: {} }
        const event: unknown = target.Input === undefined ? scheduled : JSON.parse(target.Input)
        expect(await (await start(logical.join(''))).invoke(event)).toEqual({ failed: false, body: null })
        ran.push(logical.join(''))
      }
    }
    return ran
  }

  it('runs on the events of its rules: what is due is synced and rotated, and the HTTP function answers with that', async () => {
    expect(await runRules()).toEqual(['SyncLambdaFunction', 'RotateLambdaFunction'])
    const http = await functionUrl(await start('HttpLambdaFunction'))
    open.push(http)
    const call = async (method: string, path: string, body?: object) => {
      const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
      const response = await fetch(http.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
      const text = await response.text()
      return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> }
    }
    const references = ['{vault://from-aws/edge-keyring/vault_token}', '{vault://from-aws/none/field}']
    expect((await call('POST', '/secrets/resolve', { references })).body).toMatchObject({
      secrets: [{ value: 'root' }, { error: { code: 'ERR_SECRET_NOT_FOUND' } }],
    })
    const { ids, active } = (await call('GET', '/keyring')).body as { ids: string[]; active: string }
    expect(ids).toHaveLength(2)
    expect(active).not.toBe('first001')
    await runRules()
    expect((await call('GET', '/keyring')).body).toEqual({ ids, active })

    expect(await call('POST', '/keyring/vault/sync')).toMatchObject({ status: 204 })
    expect((await call('POST', '/keyring/rotate')).body).toMatchObject({ rotated: true, version: 3 })
    const output = async (id: string) => (await start(id)).output()
    expect(await output('SyncLambdaFunction')).not.toContain('"action":"rotate"')
    expect((await output('RotateLambdaFunction')).match(/"action":"rotate".*"outcome":"ok"/g)).toHaveLength(2)
  }, 60_000)
})
