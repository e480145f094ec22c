/** moto, a stand-in for AWS that really verifies signatures, and what else is written in Python: from PyPI once, into .cache/. */
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { AwsClient } from 'aws4fetch'
import { freePort } from '../vault/openbao.ts'

/** A Python of its own in .cache/, with packages from PyPI. */
interface Tools {
  readonly folder: string
  readonly packages: readonly string[]
}

const TOOLS = { folder: 'moto-5.2.5', packages: ['moto==5.2.5', 'flask==3.1.3', 'flask-cors==6.0.5'] }
const CACHE = join(import.meta.dirname, '../../.cache')
const START_MS = 60_000
/** The account may read it; the role that it takes may not. */
export const SECRET = 'edge/keyring'
const listOf = (id: string, byte: number) => `${id}:${Buffer.alloc(32, byte).toString('base64')}`
/** The wrapping keys in it, of the version before and of the current one. */
export const [BEFORE, CURRENT] = [listOf('w1', 1), listOf('w2', 2)]
const run = promisify(execFile)

export interface Moto {
  readonly address: string
  readonly account: { readonly id: string; readonly secret: string; readonly arn: string }
  /** Temporary keys, as a platform gives them. */
  readonly session: { readonly id: string; readonly secret: string; readonly token: string; readonly arn: string }
  /** ARN of a role that the account may take. */
  readonly role: string
  /** ARN of one that may read the secret. */
  readonly reader: string
  /** ARN of one that it may not. */
  readonly closedRole: string
  close(): Promise<void>
}

/** `null` = cannot be had on this machine. */
export async function startMoto(): Promise<Moto | null> {
  if (!(await isInstalled(TOOLS))) return null
  const { address, close } = await startServer(TOOLS)
  try {
    return { address, ...(await prepare(address)), close }
  } catch (error) {
    await close()
    throw error
  }
}

export interface Started {
  readonly address: string
  readonly close: () => Promise<void>
}

export async function startServer(tools: Tools): Promise<Started> {
  const port = await freePort()
  const address = `http://127.0.0.1:${port}`
  const options = ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)]
  const child = spawn(pythonOf(tools), options, { stdio: 'ignore' })
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const close = async () => {
    process.off('exit', kill)
    kill()
    await exited
  }
  try {
    await untilUp(address)
    return { address, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** What is in there names the place where it was made, so it is run by its Python alone. */
export const pythonOf = ({ folder }: Tools): string => join(CACHE, folder, 'bin/python')

/** `false` = they cannot be had on this machine; in CI that is an error. */
export async function isInstalled(tools: Tools): Promise<boolean> {
  try {
    await install(tools)
    return true
  } catch (error) {
    if (process.env['CI'] === 'true') throw error
    console.error(`${tools.packages.join(', ')} cannot be had: the tests that need them are skipped.`)
    return false
  }
}

/** Renamed into place when whole, by whichever suite is first. */
async function install({ folder, packages }: Tools): Promise<void> {
  const home = join(CACHE, folder)
  if (existsSync(home)) return
  const making = `${home}-${process.pid}`
  await mkdir(CACHE, { recursive: true })
  try {
    await run('python3', ['-m', 'venv', making])
    await run(join(making, 'bin/python'), ['-m', 'pip', 'install', '--quiet', ...packages])
    await rename(making, home).catch((error: unknown) => {
      if (!existsSync(home)) throw error
    })
  } finally {
    await rm(making, { recursive: true, force: true })
  }
}

async function untilUp(address: string): Promise<void> {
  const signal = AbortSignal.timeout(START_MS)
  for (;;) {
    const response = await fetch(`${address}/moto-api/data.json`, { signal }).catch(() => null)
    await response?.body?.cancel()
    if (response?.status === 200) return
    await sleep(50, null, { signal })
  }
}

/** A user, its keys and two roles; from then on signatures and policies count. */
async function prepare(address: string): Promise<Omit<Moto, 'address' | 'close'>> {
  const keys = { accessKeyId: 'AKIATESTTESTTESTTEST', secretAccessKey: 'any', region: 'us-east-1' }
  const ask = async (fields: Record<string, string>, service = 'iam', Version = '2010-05-08'): Promise<string> => {
    const body = new URLSearchParams({ Version, ...fields }).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const response = await new AwsClient({ ...keys, service }).fetch(address, { method: 'POST', headers, body })
    const text = await response.text()
    if (!response.ok) throw new Error(`${fields['Action']}: ${response.status} ${text}`)
    return text
  }
  const field = (xml: string, name: string) => new RegExp(`<${name}>([^<]+)</${name}>`).exec(xml)?.[1] ?? ''
  const trust = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: '*' }, Action: 'sts:AssumeRole' }],
  })
  const roleOf = async (RoleName: string) =>
    field(await ask({ Action: 'CreateRole', RoleName, AssumeRolePolicyDocument: trust }), 'Arn')
  const [role, closedRole, reader] = [await roleOf('login'), await roleOf('closed'), await roleOf('reads')]
  const arn = field(await ask({ Action: 'CreateUser', UserName: 'edge' }), 'Arn')
  const secrets = new AwsClient({ ...keys, service: 'secretsmanager' })
  const put = async (operation: string, fields: object) => {
    const made = await secrets.fetch(address, {
      method: 'POST',
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `secretsmanager.${operation}` },
      body: JSON.stringify(fields),
    })
    if (!made.ok) throw new Error(`${operation}: ${made.status} ${await made.text()}`)
  }
  await put('CreateSecret', { Name: SECRET, SecretString: `{"vault_token":"of-before","keys":"${BEFORE}"}` })
  await put('PutSecretValue', { SecretId: SECRET, SecretString: `{"vault_token":"of-moto","keys":"${CURRENT}"}` })
  const may = {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 'sts:AssumeRole', Resource: [role, reader] },
      {
        Effect: 'Allow',
        Action: 'secretsmanager:GetSecretValue',
        Resource: '*',
      },
    ],
  }
  await ask({ Action: 'PutUserPolicy', UserName: 'edge', PolicyName: 'may', PolicyDocument: JSON.stringify(may) })
  const PolicyDocument = JSON.stringify({ ...may, Statement: may.Statement.slice(1) })
  await ask({ Action: 'PutRolePolicy', RoleName: 'reads', PolicyName: 'may', PolicyDocument })
  const key = await ask({ Action: 'CreateAccessKey', UserName: 'edge' })
  const account = { id: field(key, 'AccessKeyId'), secret: field(key, 'SecretAccessKey'), arn }
  const taking = { Action: 'AssumeRole', RoleArn: role, RoleSessionName: 'platform' }
  const taken = await ask(taking, 'sts', '2011-06-15')
  const session = {
    id: field(taken, 'AccessKeyId'),
    secret: field(taken, 'SecretAccessKey'),
    token: field(taken, 'SessionToken'),
    arn: field(taken, 'Arn'),
  }
  await fetch(`${address}/moto-api/reset-auth`, { method: 'POST', body: '0' })
  return { account, session, role, reader, closedRole }
}
