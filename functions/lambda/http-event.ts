/** What the HTTP function takes, payload 2.0 that a Request can be made of, and what it gives back. Hono's adapter reads four more payloads, and goes with its version 5. */

/** Those that a Request can have. */
const METHOD = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/
const HOST = /^[A-Za-z0-9.-]{1,253}(?::\d{1,5})?$/
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

interface HttpEvent {
  readonly rawPath: string
  readonly rawQueryString: string
  readonly requestContext: { readonly domainName?: string; readonly http: { readonly method: string } }
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | null
  readonly isBase64Encoded?: boolean
}

/** `null` = nothing of it goes on. A Request to read has no body, and elsewhere none is looked at. */
export function requestOf(event: unknown): Request | null {
  const { requestContext } = fieldsOf(event)
  const isRead = /^(?:GET|HEAD)$/.test(String(fieldsOf(fieldsOf(requestContext)['http'])['method']))
  const asked = isRead ? { ...fieldsOf(event), body: null } : event
  return isHttpEvent(asked) ? madeOf(asked) : null
}

function madeOf({ rawPath, rawQueryString: query, requestContext, headers: given, ...sent }: HttpEvent): Request {
  const { domainName = given['host'], http } = requestContext
  const headers = new Headers(Object.entries(given).map(([name, value]): [string, string] => [name, inAscii(value)]))
  const body = sent.body ? Buffer.from(sent.body, sent.isBase64Encoded ? 'base64' : 'utf8') : null
  if (body !== null) headers.set('content-length', String(body.length))
  const request = new Request(`https://${domainName}${rawPath}${query && `?${query}`}`, {
    method: http.method,
    headers,
    body,
  })
  // The body is here whole: nobody need read it out of a stream, which not every Node 20 can.
  return Object.assign(request, { bytes: async () => body ?? new Uint8Array() })
}

const inAscii = (value: string): string => (/\P{ASCII}/u.test(value) ? encodeURIComponent(value) : value)

/** Bytes that are no text go out in base64. */
export async function resultOf(response: Response) {
  const { status: statusCode, headers } = response
  const isBase64Encoded = headers.get('content-type')?.endsWith('json') === false
  const body = Buffer.from(await response.arrayBuffer()).toString(isBase64Encoded ? 'base64' : 'utf8')
  return { statusCode, headers: Object.fromEntries(headers), body, isBase64Encoded }
}

function isHttpEvent(event: unknown): event is HttpEvent {
  const { rawPath, rawQueryString, requestContext, headers, cookies = [], ...body } = fieldsOf(event)
  const { http, domainName = fieldsOf(headers)['host'] } = fieldsOf(requestContext)
  const { method } = fieldsOf(http)
  const isAddressed =
    fits(METHOD, method) && fits(HOST, domainName) && URL.canParse(`https://${domainName}`) && fits(/^\//, rawPath)
  const isHeaded = areHeaders(headers) && Array.isArray(cookies) && cookies.every(isHeaderValue)
  return isAddressed && isHeaded && typeof rawQueryString === 'string' && isBody(body)
}

function isBody({ body, isBase64Encoded }: Readonly<Record<string, unknown>>): boolean {
  if (!body) return true
  if (!fits(/^\P{Cs}*$/u, body)) return false
  return isBase64Encoded !== true || (BASE64.test(body) && body.length % 4 === 0)
}

/** What is no object has none of the fields that are asked for. */
const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> => ({ ...(value as object | null) })

const fits = (pattern: RegExp, value: unknown): value is string => typeof value === 'string' && pattern.test(value)

/** The platform joins what comes twice under one name. Of two spellings of a name only the last would be seen. */
function areHeaders(headers: unknown): boolean {
  const names = Object.keys(fieldsOf(headers))
  const isValid = Object.entries(fieldsOf(headers)).every(
    ([name, value]) => HEADER_NAME.test(name) && isHeaderValue(value),
  )
  return headers instanceof Object && isValid && new Set(names.map((name) => name.toLowerCase())).size === names.length
}

const isHeaderValue = (value: unknown): boolean => fits(/^[^\p{Cs}\r\n\0]*$/u, value)
