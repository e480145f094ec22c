/** A proxy in front of DynamoDB that spoils answers as told, request by request. */
import type { IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Listening } from '../listen.ts'
import { listen } from '../listen.ts'

/**
 * 'lost' = carried out, but the connection is cut before the answer; 'cut' = not carried out, and cut; a function runs
 * between the request and its way to DynamoDB; otherwise the answer is an error, and nothing is carried out.
 */
type Fault =
  | 'pass'
  | 'lost'
  | 'cut'
  | (() => Promise<void>)
  | { readonly status: number; readonly type: string }
  /** Carried out, and answered with this error. */
  | { readonly status: number; readonly type: string; readonly applied: true }

export interface Faults extends Listening {
  /** For the next requests of an operation, in order; those after pass. */
  next(operation: 'GetItem' | 'PutItem', ...faults: readonly Fault[]): void
  /** Operations so far. */
  readonly asked: string[]
  /** Names of the items that they were about. */
  readonly items: Set<string>
}

export async function faultsBefore(endpoint: string): Promise<Faults> {
  const queues = new Map<string, Fault[]>()
  const asked: string[] = []
  const items = new Set<string>()
  const listening = await listen(async (request, response) => {
    const body = await buffer(request)
    const operation = String(request.headers['x-amz-target']).split('.')[1] ?? ''
    asked.push(operation)
    items.add(nameIn(body.toString()))
    const fault = queues.get(operation)?.shift() ?? 'pass'
    if (typeof fault === 'function') await fault()
    const answer = isCarriedOut(fault) ? await forward(endpoint, request, body) : { status: 500, text: '' }
    if (fault === 'cut' || fault === 'lost') response.destroy()
    else if (typeof fault === 'object') response.writeHead(fault.status).end(errorText(fault.type))
    else response.writeHead(answer.status).end(answer.text)
  })
  return {
    ...listening,
    asked,
    items,
    next: (operation, ...faults) => void queues.set(operation, [...faults]),
  }
}

function nameIn(body: string): string {
  const { Key, Item } = JSON.parse(body) as Partial<Record<'Key' | 'Item', { readonly name: { readonly S: string } }>>
  return (Key ?? Item)?.name.S ?? ''
}

const isCarriedOut = (fault: Fault): boolean => (typeof fault === 'object' ? 'applied' in fault : fault !== 'cut')

async function forward(endpoint: string, { headers: received }: IncomingMessage, body: Buffer<ArrayBuffer>) {
  const { 'content-length': _, connection: __, host: ___, ...headers } = received
  const response = await fetch(endpoint, { method: 'POST', headers: headers as Record<string, string>, body })
  return { status: response.status, text: await response.text() }
}

const errorText = (type: string): string => JSON.stringify({ __type: `com.amazonaws#${type}`, message: 'secret-text' })
