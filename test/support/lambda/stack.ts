/** cfn-lint, and moto with CloudFormation: from PyPI once, into .cache/; in CI they must be had. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { AwsClient } from 'aws4fetch'
import type { Started } from '../moto.ts'
import { isInstalled, pythonOf, startServer } from '../moto.ts'

const TOOLS = { folder: 'moto-stack-5.2.5', packages: ['moto[server]==5.2.5', 'cfn-lint==1.58.0'] }
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const run = promisify(execFile)

/** `false` = they cannot be had on this machine. */
export const hasTools = (): Promise<boolean> => isInstalled(TOOLS)

/** What cfn-lint finds; '' = nothing. W3005 is about a `DependsOn` beside a reference, which osls writes. */
export async function lint(template: string): Promise<string> {
  const main = 'import sys; from cfnlint.runner import main; sys.exit(main())'
  const words = ['-c', main, '--regions', 'eu-central-1', '--ignore-checks', 'W3005', '--template', template]
  return run(pythonOf(TOOLS), words).then(
    () => '',
    (error: unknown) => {
      const { stdout } = error as { stdout: string }
      if (stdout === '') throw error
      return stdout
    },
  )
}

export interface Cloud extends Started {
  /** One call of a query API, such as CloudFormation's, answered in XML. */
  query(service: string, version: string, fields: Readonly<Record<string, string>>): Promise<string>
  /** One call of an API that speaks JSON. */
  json(service: string, method: string, path: string, body?: object, target?: string): Promise<Record<string, unknown>>
  upload(bucket: string, key: string, file: string): Promise<void>
}

export async function startCloud(): Promise<Cloud> {
  const { address, close } = await startServer(TOOLS)
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
    close,
  }
}
