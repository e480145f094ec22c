/** Secrets Manager as its documentation has it, staging above all, where moto differs: https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html */
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { listen } from './listen.ts'

const SIGNED = /^AWS4-HMAC-SHA256 Credential=\w+\/\d{8}\/([\w-]+)\/secretsmanager\/aws4_request/

interface Version {
  readonly value: string | Buffer
  readonly stages: Set<string>
}

export interface SecretsManager {
  readonly url: string
  /** A new version, as PutSecretValue makes it: it becomes the current one, and what was current the previous one. */
  put(id: string, value: string | Buffer | object): void
  /** As a rotation begins: nobody but itself is given that version. */
  putPending(id: string, value: string): void
  /** As DeleteSecret leaves it for some days: it is there, and nobody is given it. */
  remove(id: string): void
  /** `<id> <stage> <region>` of each request. */
  asked(): string[]
  /** Every request is answered with this exception, until `null`. */
  fail(exception: string | null): void
  close(): Promise<void>
}

export async function secretsManagerDouble(): Promise<SecretsManager> {
  const secrets = new Map<string, Version[]>()
  const asked: string[] = []
  const removed = new Set<string>()
  let failing: string | null = null

  function answer(request: IncomingMessage, body: Readonly<Record<string, unknown>>): [number, object] {
    const region = SIGNED.exec(request.headers.authorization ?? '')?.[1]
    if (region === undefined) return exception('IncompleteSignatureException')
    if (request.headers['content-type'] !== 'application/x-amz-json-1.1') return exception('SerializationException')
    if (request.headers['x-amz-target'] !== 'secretsmanager.GetSecretValue')
      return exception('UnknownOperationException')
    const { SecretId: id, VersionStage: stage = 'AWSCURRENT' } = body
    asked.push(`${String(id)} ${String(stage)} ${region}`)
    if (failing !== null) return exception(failing)
    if (removed.has(String(id))) return exception('InvalidRequestException', MARKED)
    const found = secrets.get(String(id))?.find(({ stages }) => stages.has(String(stage)))
    if (found === undefined) return exception('ResourceNotFoundException')
    const { value, stages } = found
    const content = typeof value === 'string' ? { SecretString: value } : { SecretBinary: value.toString('base64') }
    return [200, { Name: id, ...content, VersionStages: [...stages] }]
  }

  const server = await listen(async (request, response) => {
    const body = JSON.parse((await text(request)) || '{}') as Record<string, unknown>
    const [status, content] = answer(request, body)
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(content))
  })

  return {
    ...server,
    put(id, value) {
      const versions = secrets.get(id) ?? []
      for (const { stages } of versions) if (stages.delete('AWSPREVIOUS')) break
      for (const { stages } of versions) if (stages.delete('AWSCURRENT')) stages.add('AWSPREVIOUS')
      const kept = typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value)
      secrets.set(id, [...versions, { value: kept, stages: new Set(['AWSCURRENT']) }])
    },
    putPending: (id, value) =>
      void secrets.set(id, [...(secrets.get(id) ?? []), { value, stages: new Set(['AWSPENDING']) }]),
    remove: (id) => void removed.add(id),
    asked: () => asked.splice(0),
    fail: (exception) => void (failing = exception),
  }
}

const MARKED = "You can't perform this operation on the secret because it was marked for deletion."

const exception = (name: string, message = 'canary-of-aws'): [number, object] => [400, { __type: name, message }]
