/**
 * HTTP events with every member that AWS sends, from its own examples: an API Gateway REST API (payload format 1.0), an
 * HTTP API (2.0) and a function URL (2.0).
 */

/** What a handler hands back to Lambda. */
export interface LambdaResult {
  readonly statusCode: number
  readonly headers: Record<string, string>
  readonly body: string
  readonly isBase64Encoded: boolean
}

/** An event as JSON. */
export type LambdaEvent = Readonly<Record<string, unknown>>

/** How a request is turned into an event. */
export interface EventOptions {
  /** As for media types that the gateway takes for binary; a function URL does so for all but text and JSON. */
  readonly is_base64?: boolean
  /** A header that the client sent several times. */
  readonly repeated?: readonly [name: string, values: readonly string[]]
}

/** One way in which requests reach a function. */
export interface EventForm {
  readonly name: string
  readonly base: string
  toEvent(request: Request, options?: EventOptions): Promise<LambdaEvent>
  withHeader(event: LambdaEvent, name: string, value: string): LambdaEvent
  withMethod(event: LambdaEvent, method: string): LambdaEvent
}

const AGENT = 'curl/8.5.0'
const SOURCE_IP = '203.0.113.9'

/** The client's headers and those that the edge adds, in the case in which HTTP/1.1 clients write them. */
function headersOf(request: Request, host: string): [string, string][] {
  const titled = (name: string): string => name.replaceAll(/(^|-)[a-z]/g, (letter) => letter.toUpperCase())
  return [
    ...[...request.headers].map(([name, value]): [string, string] => [titled(name), value]),
    ['Accept', '*/*'],
    ['Host', host],
    ['User-Agent', AGENT],
    ['X-Amzn-Trace-Id', 'Root=1-67891233-abcdef012345678912345678'],
    ['X-Forwarded-For', SOURCE_IP],
    ['X-Forwarded-Port', '443'],
    ['X-Forwarded-Proto', 'https'],
  ]
}

async function bodyOf(request: Request, is_base64: boolean): Promise<string | null> {
  const bytes = Buffer.from(await request.arrayBuffer())
  if (bytes.length === 0) return null
  return bytes.toString(is_base64 ? 'base64' : 'utf8')
}

const REST_HOST = '70ixmpl4fl.execute-api.us-east-2.amazonaws.com'
const HTTP_HOST = 'r3pmxmplak.execute-api.us-east-2.amazonaws.com'
const URL_HOST = 'abcdefg0123456789.lambda-url.us-east-2.on.aws'

/** The three forms. */
export const EVENTS = {
  rest: {
    name: 'a REST API (format 1.0)',
    base: `https://${REST_HOST}`,
    async toEvent(request, { is_base64 = false, repeated } = {}) {
      const { pathname, searchParams } = new URL(request.url)
      const lists = new Map<string, string[]>()
      for (const [name, value] of headersOf(request, REST_HOST))
        lists.set(name, [...(lists.get(name) ?? []), value])
      if (repeated !== undefined) lists.set(repeated[0], [...repeated[1]])
      const query = [...new Set(searchParams.keys())]
      return {
        resource: '/{proxy+}',
        path: pathname,
        httpMethod: request.method,
        // The last value of each.
        headers: Object.fromEntries([...lists].map(([name, values]) => [name, values.at(-1)])),
        multiValueHeaders: Object.fromEntries(lists),
        queryStringParameters: query.length === 0 ? null : Object.fromEntries(searchParams),
        multiValueQueryStringParameters:
          query.length === 0
            ? null
            : Object.fromEntries(query.map((name) => [name, searchParams.getAll(name)])),
        pathParameters: { proxy: pathname.slice(1) },
        stageVariables: null,
        requestContext: {
          resourceId: '2gxmpl',
          resourcePath: '/{proxy+}',
          httpMethod: request.method,
          extendedRequestId: 'JJbxmplHYosFVYQ=',
          requestTime: '10/Mar/2026:00:03:59 +0000',
          path: `/prod${pathname}`,
          accountId: '123456789012',
          protocol: 'HTTP/1.1',
          stage: 'prod',
          domainPrefix: '70ixmpl4fl',
          requestTimeEpoch: 1583798639428,
          requestId: '77375676-xmpl-4b79-853a-f982474efe18',
          identity: { sourceIp: SOURCE_IP, userAgent: AGENT, accountId: null, cognitoIdentityId: null },
          domainName: REST_HOST,
          apiId: '70ixmpl4fl',
        },
        body: await bodyOf(request, is_base64),
        isBase64Encoded: is_base64,
      }
    },
    withHeader: (event, name, value) => ({
      ...event,
      headers: { ...(event['headers'] as object), [name]: value },
      multiValueHeaders: { ...(event['multiValueHeaders'] as object), [name]: [value] },
    }),
    withMethod: (event, httpMethod) => ({ ...event, httpMethod }),
  },
  http: v2('an HTTP API (format 2.0)', HTTP_HOST, { routeKey: '$default', apiId: 'r3pmxmplak' }),
  url: v2('a function URL', URL_HOST, { routeKey: '$default', apiId: 'abcdefg0123456789' }),
} as const satisfies Record<string, EventForm>

function v2(name: string, host: string, { routeKey, apiId }: { routeKey: string; apiId: string }): EventForm {
  return {
    name,
    base: `https://${host}`,
    async toEvent(request, { is_base64 = false, repeated } = {}) {
      const { pathname, search, searchParams } = new URL(request.url)
      const headers = Object.fromEntries(
        headersOf(request, host).map(([header, value]) => [header.toLowerCase(), value]),
      )
      // Repeated headers are joined.
      if (repeated !== undefined) headers[repeated[0]] = repeated[1].join(',')
      const body = await bodyOf(request, is_base64)
      return {
        version: '2.0',
        routeKey,
        rawPath: pathname,
        rawQueryString: search.slice(1),
        headers,
        ...(search === '' ? {} : { queryStringParameters: Object.fromEntries(searchParams) }),
        requestContext: {
          accountId: 'anonymous',
          apiId,
          domainName: host,
          domainPrefix: host.split('.', 1)[0],
          http: {
            method: request.method,
            path: pathname,
            protocol: 'HTTP/1.1',
            sourceIp: SOURCE_IP,
            userAgent: AGENT,
          },
          requestId: 'JKJaXmPLvHcESHA=',
          routeKey,
          stage: '$default',
          time: '10/Mar/2026:05:16:23 +0000',
          timeEpoch: 1583817383220,
        },
        ...(body === null ? {} : { body }),
        isBase64Encoded: is_base64,
      }
    },
    withHeader: (event, header, value) => ({
      ...event,
      headers: { ...(event['headers'] as object), [header]: value },
    }),
    withMethod: (event, method) => {
      const context = event['requestContext'] as { readonly http: object }
      return { ...event, requestContext: { ...context, http: { ...context.http, method } } }
    },
  }
}
