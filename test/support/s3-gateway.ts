/**
 * A gateway in front of a real S3 service that breaks its conditions (PV-01…PV-04). It holds the keys and signs anew, as
 * such gateways do: a header that is dropped from a signed request would only be refused.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AwsClient } from 'aws4fetch'
import type { Gateway } from './contract/row.ts'
import { quiet, type Quiet } from './quiet.ts'
import type { S3Server } from './servers/minio.ts'

/** A gateway that runs. */
export interface S3Gateway {
  /** Where the same buckets are, broken in one way. */
  endpoint(how: Gateway): string
  close(): Promise<void>
}

/** Start one on a free loopback port. */
export async function startS3Gateway(server: S3Server): Promise<S3Gateway> {
  const client = new AwsClient({ ...server.keys, service: 's3', region: server.region, retries: 0 })
  const racers = quiet()
  const http = createServer((request, response) => {
    relay(request, response, { client, server, racers }).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined)
    })
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const { port } = http.address() as AddressInfo
  return {
    endpoint: (how) => `http://127.0.0.1:${port}/${how}`,
    async close() {
      http.closeAllConnections()
      await new Promise((closed) => http.close(closed))
    },
  }
}

interface Upstream {
  readonly client: AwsClient
  readonly server: S3Server
  /** Puts that are on their way. */
  readonly racers: Quiet
}

const KEPT = /^(content-type|content-md5|cache-control|if-match|if-none-match|x-amz-meta-.*)$/

async function relay(
  request: IncomingMessage,
  response: ServerResponse,
  { client, server, racers }: Upstream,
): Promise<void> {
  racers.seen()
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const [, how = '', rest = ''] = /^\/([^/]+)(\/.*)$/.exec(request.url ?? '') ?? []
  const method = request.method ?? ''
  const headers = new Map(
    Object.entries(request.headers).flatMap(([name, value]): [string, string][] =>
      KEPT.test(name) && typeof value === 'string' ? [[name, value]] : [],
    ),
  )
  const url = `${server.endpoint}${rest}`
  const refusal =
    method === 'PUT'
      ? await broken(how as Gateway, headers, {
          racers,
          look: async () => client.fetch(url, { method: 'HEAD' }),
        })
      : null
  if (refusal !== null) {
    response.writeHead(refusal.status).end(`<Error><Code>${refusal.code}</Code></Error>`)
    return
  }
  const answer = await client.fetch(url, {
    method,
    headers: Object.fromEntries(headers),
    ...(method === 'PUT' ? { body: Buffer.concat(chunks) } : {}),
    aws: { allHeaders: true },
  })
  const body = Buffer.from(await answer.arrayBuffer())
  const kept = [...answer.headers].filter(
    ([name]) => !/^(transfer-encoding|content-encoding|connection)$/.test(name),
  )
  response.writeHead(answer.status, {
    ...Object.fromEntries(kept),
    ...(method === 'HEAD' ? {} : { 'content-length': body.length }),
  })
  response.end(body)
}

interface Refusal {
  readonly status: number
  readonly code: string
}

const PRECONDITION_FAILED: Refusal = { status: 412, code: 'PreconditionFailed' }

/** Changes the headers of a put in place, or refuses it. */
async function broken(
  how: Gateway,
  headers: Map<string, string>,
  { look, racers }: { readonly look: () => Promise<Response>; readonly racers: Quiet },
): Promise<Refusal | null> {
  const match = headers.get('if-match')
  switch (how) {
    case 'ignores_create':
      headers.delete('if-none-match')
      return null
    case 'ignores_replace':
      headers.delete('if-match')
      return null
    case 'checks_then_writes': {
      const seen = await look()
      const holds = match === undefined || (seen.ok && seen.headers.get('etag') === match)
      if (!holds || (headers.has('if-none-match') && seen.ok)) return PRECONDITION_FAILED
      racers.seen()
      await racers.over()
      headers.delete('if-match')
      headers.delete('if-none-match')
      return null
    }
    case 'wants_unquoted':
      if (match?.startsWith('"') === true) return PRECONDITION_FAILED
      if (match !== undefined) headers.set('if-match', `"${match}"`)
      return null
    case 'wants_quoted':
      return match === undefined || match.startsWith('"') ? null : { status: 400, code: 'InvalidArgument' }
  }
}
