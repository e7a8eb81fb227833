/**
 * HTTP events as API Gateway (payload formats 1.0 and 2.0) and function URLs send them, as web-standard requests, and
 * answers in the form that they want.
 */

/** Payload format 1.0: REST APIs, and HTTP APIs that ask for it. Header names as the client wrote them. */
export interface GatewayEventV1 {
  readonly httpMethod: string
  /** Without the stage. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>> | null
  readonly multiValueHeaders: Readonly<Record<string, readonly string[]>> | null
  readonly body: string | null
  readonly isBase64Encoded: boolean
}

/** Payload format 2.0: HTTP APIs and function URLs. Repeated headers are joined with commas. */
export interface GatewayEventV2 {
  readonly version: '2.0'
  /** With the stage, unless it is `$default`. */
  readonly rawPath: string
  readonly rawQueryString: string
  readonly headers: Readonly<Record<string, string>>
  readonly requestContext: { readonly domainName: string; readonly http: { readonly method: string } }
  readonly body?: string
  readonly isBase64Encoded: boolean
}

/** Either. */
export type GatewayEvent = GatewayEventV1 | GatewayEventV2

/** What Lambda hands back. */
export interface GatewayResult {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly isBase64Encoded: false
}

/** Whether an event is a request. */
export function isGatewayEvent(event: unknown): event is GatewayEvent {
  return typeof event === 'object' && event !== null && ('rawPath' in event || 'httpMethod' in event)
}

/** The request. Throws TypeError for one that no URL or no header list can hold. */
export function requestOf(event: GatewayEvent): Request {
  const { method, target, host, headers } = 'rawPath' in event ? partsOfV2(event) : partsOfV1(event)
  const has_body = method !== 'GET' && method !== 'HEAD'
  return new Request(new URL(target, `https://${host}`), {
    method,
    headers,
    ...(has_body ? { body: bodyOf(event) } : {}),
  })
}

interface Parts {
  readonly method: string
  readonly target: string
  readonly host: string
  readonly headers: Headers
}

function partsOfV1({ httpMethod, path, headers, multiValueHeaders }: GatewayEventV1): Parts {
  const sent = new Headers()
  const lists =
    multiValueHeaders ??
    Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, [value]]))
  for (const [name, values] of Object.entries(lists)) for (const value of values) sent.append(name, value)
  return { method: httpMethod, target: path, host: sent.get('host') ?? NO_HOST, headers: sent }
}

function partsOfV2({ requestContext, rawPath, rawQueryString, headers }: GatewayEventV2): Parts {
  const { http, domainName } = requestContext
  const target = rawQueryString === '' ? rawPath : `${rawPath}?${rawQueryString}`
  return { method: http.method, target, host: domainName, headers: new Headers(headers) }
}

/** REST APIs that are invoked from their console send no headers. */
const NO_HOST = 'lambda.invalid'

function bodyOf({ body, isBase64Encoded }: GatewayEvent): Uint8Array<ArrayBuffer> {
  const text = body ?? ''
  if (!isBase64Encoded) return new TextEncoder().encode(text)
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
}

/** The answer; ours are all text, and none repeats a header. */
export async function resultOf(response: Response): Promise<GatewayResult> {
  const headers = Object.fromEntries(response.headers)
  return { statusCode: response.status, headers, body: await response.text(), isBase64Encoded: false }
}
