/** A gateway in front of a GCS service that breaks its conditions (PV-01…PV-03), by changing the query of uploads. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Gateway } from './contract/row.ts'
import { quiet, type Quiet } from './quiet.ts'

/** A gateway that runs. */
export interface GcsGateway {
  /** The API, broken in one way. */
  endpoint(how: Gateway): string
  close(): Promise<void>
}

/** Start one on a free loopback port. */
export async function startGcsGateway(server_url: string): Promise<GcsGateway> {
  const racers = quiet()
  const http = createServer((request, response) => {
    relay(request, response, { server_url, racers }).catch((error: unknown) => {
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

async function relay(
  request: IncomingMessage,
  response: ServerResponse,
  { server_url, racers }: { readonly server_url: string; readonly racers: Quiet },
): Promise<void> {
  racers.seen()
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const [, how = '', rest = ''] = /^\/([^/]+)(\/.*)$/.exec(request.url ?? '') ?? []
  const url = new URL(`${server_url}${rest}`)
  const method = request.method ?? ''
  if (method === 'POST' && !(await mayWrite(how as Gateway, url, racers))) {
    const error = { code: 412, errors: [{ reason: 'conditionNotMet' }] }
    response.writeHead(412, { 'content-type': 'application/json' }).end(JSON.stringify({ error }))
    return
  }
  const answer = await fetch(url, {
    method,
    headers: { 'content-type': request.headers['content-type'] ?? '' },
    ...(method === 'POST' ? { body: Buffer.concat(chunks) } : {}),
  })
  const body = Buffer.from(await answer.arrayBuffer())
  const kept = [...answer.headers].filter(
    ([name]) => !/^(transfer-encoding|connection|keep-alive)$/.test(name),
  )
  response.writeHead(answer.status, { ...Object.fromEntries(kept), 'content-length': body.length })
  response.end(body)
}

/** Changes the query of an upload in place. */
async function mayWrite(how: Gateway, url: URL, racers: Quiet): Promise<boolean> {
  const condition = url.searchParams.get('ifGenerationMatch')
  const is_create = condition === '0'
  if (condition === null) return true
  switch (how) {
    case 'ignores_create':
      if (is_create) url.searchParams.delete('ifGenerationMatch')
      return true
    case 'ignores_replace':
      if (!is_create) url.searchParams.delete('ifGenerationMatch')
      return true
    case 'checks_then_writes': {
      const key = encodeURIComponent(url.searchParams.get('name') ?? '')
      const seen = await fetch(`${url.origin}${url.pathname.replace('/upload', '')}/${key}`)
      const { generation = '0' } = (await seen.json()) as { generation?: string }
      racers.seen()
      await racers.over()
      url.searchParams.delete('ifGenerationMatch')
      return generation === condition
    }
    case 'wants_quoted':
    case 'wants_unquoted':
      throw new Error('generations have no quotes')
  }
}
