/** cfn-lint, and moto with CloudFormation: from PyPI once, into .cache/; in CI they must be had. */
import { execFile, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { AwsClient } from 'aws4fetch'
import { freePort } from '../../vault/openbao.ts'

const VERSIONS = ['moto[server]==5.2.5', 'cfn-lint==1.58.0']
const HOME = join(import.meta.dirname, '../../../.cache/moto-stack-5.2.5')
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const START_MS = 60_000
const run = promisify(execFile)

/** `false` = they cannot be had on this machine. */
export async function hasTools(): Promise<boolean> {
  try {
    await install()
    return true
  } catch (error) {
    if (process.env['CI'] === 'true') throw error
    console.error('moto and cfn-lint are not at hand: the tests of the stack are skipped.')
    return false
  }
}

/** Renamed into place when whole. It is run by its Python alone, because its scripts name the place where it was made. */
async function install(): Promise<void> {
  if (existsSync(HOME)) return
  const making = `${HOME}-${process.pid}`
  await mkdir(dirname(HOME), { recursive: true })
  try {
    await run('python3', ['-m', 'venv', making])
    await run(join(making, 'bin/python'), ['-m', 'pip', 'install', '--quiet', ...VERSIONS])
    await rename(making, HOME)
  } finally {
    await rm(making, { recursive: true, force: true })
  }
}

/** What cfn-lint finds; '' = nothing. W3005 is about a `DependsOn` beside a reference, which osls writes. */
export async function lint(template: string): Promise<string> {
  const main = 'import sys; from cfnlint.runner import main; sys.exit(main())'
  const words = ['-c', main, '--regions', 'eu-central-1', '--ignore-checks', 'W3005', '--template', template]
  return run(join(HOME, 'bin/python'), words).then(
    () => '',
    (error: unknown) => {
      const { stdout } = error as { stdout: string }
      if (stdout === '') throw error
      return stdout
    },
  )
}

export interface Cloud {
  readonly address: string
  /** One call of a query API, such as CloudFormation's, answered in XML. */
  query(service: string, version: string, fields: Readonly<Record<string, string>>): Promise<string>
  /** One call of an API that speaks JSON. */
  json(service: string, method: string, path: string, body?: object, target?: string): Promise<Record<string, unknown>>
  upload(bucket: string, key: string, file: string): Promise<void>
  close(): Promise<void>
}

export async function startCloud(): Promise<Cloud> {
  const port = await freePort()
  const address = `http://127.0.0.1:${port}`
  const child = spawn(join(HOME, 'bin/python'), ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], {
    stdio: 'ignore',
  })
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  await untilUp(address)
  const keys = { accessKeyId: 'AKIATESTTESTTESTTEST', secretAccessKey: 'any', region: 'eu-central-1', retries: 0 }
  const ask = async (service: string, path: string, init: RequestInit): Promise<string> => {
    const response = await new AwsClient({ ...keys, service }).fetch(`${address}${path}`, init)
    const text = await response.text()
    if (!response.ok) throw new Error(`${service} ${path}: ${response.status} ${text}`)
    return text
  }
  return {
    address,
    query: (service, Version, fields) =>
      ask(service, '/', {
        method: 'POST',
        headers: FORM,
        body: new URLSearchParams({ Version, ...fields }).toString(),
      }),
    async json(service, method, path, body, target) {
      const headers: Record<string, string> = target
        ? { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target }
        : { 'content-type': 'application/json' }
      const text = await ask(service, path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
      return JSON.parse(text === '' ? '{}' : text) as Record<string, unknown>
    },
    upload: async (bucket, key, file) =>
      void (await ask('s3', `/${bucket}/${key}`, { method: 'PUT', body: readFileSync(file) })),
    async close() {
      process.off('exit', kill)
      kill()
      await exited
    },
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
