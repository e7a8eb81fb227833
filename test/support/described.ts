/**
 * Holds every answer that a test sees against the OpenAPI document: a 200 has the described members and no other, a
 * refusal has a reason that the route lists. Suites about something else keep the document true in passing.
 */
import { expect } from 'vitest'
import { openApiDocument, type ApiOperation } from '../../functions/openapi.ts'
import { findings } from './json-schema.ts'

/** One exchange. */
export interface Exchange {
  readonly method: string
  /** Without the origin; a query is ignored. */
  readonly path: string
  readonly status: number
  readonly headers: Headers
  /** Decoded; null where there was none. */
  readonly body: unknown
}

/** Refusals of requests that met no operation. */
const OF_NO_OPERATION: readonly unknown[] = ['route_not_found', 'method_not_allowed']

/** Fails the test unless the document describes the answer. */
export function expectDescribed({ method, path, status, headers, body }: Exchange): void {
  const operation = operationAt(method, path)
  if (operation === undefined || body === null) return
  if (OF_NO_OPERATION.includes((body as Record<string, unknown>)['reason'])) return
  const response = operation.responses[String(status)]
  const media = response?.content[headers.get('content-type') ?? '']
  const undescribed =
    response === undefined || media === undefined
      ? [`${operation.operationId} describes no ${status} of ${headers.get('content-type')}`]
      : [
          ...findings(body, media.schema, openApiDocument().components.schemas),
          ...[...headers.keys()]
            .filter((name) => !TRANSPORT.has(name))
            .filter((name) => !Object.keys(response.headers).some((each) => each.toLowerCase() === name))
            .map((name) => `${operation.operationId} ${status} describes no header ${name}`),
        ]
  expect(undescribed).toEqual([])
}

/** Headers that a description does not list: OpenAPI says to leave out Content-Type. */
const TRANSPORT: ReadonlySet<string> = new Set(['content-type'])

function operationAt(method: string, path: string): ApiOperation | undefined {
  const [bare = ''] = path.split('?', 1)
  const template = Object.keys(openApiDocument().paths).find((each) => matches(each, bare))
  const operations = template === undefined ? undefined : openApiDocument().paths[template]
  return method === 'GET' ? operations?.get : method === 'POST' ? operations?.post : undefined
}

function matches(template: string, path: string): boolean {
  const segments = path.split('/')
  const wanted = template.split('/')
  return (
    wanted.length === segments.length &&
    wanted.every((each, at) => (each.startsWith('{') ? segments[at] !== '' : each === segments[at]))
  )
}
