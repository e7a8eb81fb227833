/**
 * A faulty network in front of a real server, on the level of bytes: what a driver sends is forwarded as it came, unless
 * the plan says what happens to that one request. Counts every request that left the driver.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { MessageReader, statusOf, type WireMessage, type WireRequest } from './http-messages.ts'

/** An answer that no server gave. */
export interface FalseAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** What happens to one request. Where it says nothing of the server, the request never gets there. */
export type ProxyFault =
  /** Answered by the proxy. */
  | { readonly fault: 'answer'; readonly answer: FalseAnswer }
  /** Applied by the server, whose answer is replaced. */
  | { readonly fault: 'answer_after'; readonly answer: FalseAnswer | ((real: number) => FalseAnswer | null) }
  /** The connection is reset. */
  | { readonly fault: 'reset' }
  /** Applied by the server, then the connection is reset before a byte of its answer. */
  | { readonly fault: 'reset_after' }
  /** Nothing ever comes back. */
  | { readonly fault: 'hang' }
  /** Applied by the server; nothing ever comes back. */
  | { readonly fault: 'hang_after' }
  /** Delivered twice, one after the other; the client sees the answer to the first or to the second. */
  | { readonly fault: 'duplicate'; readonly seen: 'first' | 'second' }
  /** Forwarded without these headers and query parameters. */
  | { readonly fault: 'strip'; readonly headers?: readonly string[]; readonly query?: readonly string[] }
  /** The server's answer is cut in its head, or in its body. */
  | { readonly fault: 'truncate'; readonly where: 'head' | 'body' }
  /** Reset at once, and delivered once the promise has resolved; `delivered` is told the status. */
  | { readonly fault: 'late'; readonly until: Promise<void>; delivered?(status: number): void }

/** Decides for each request; undefined lets it through. */
export type ProxyPlan = (request: WireRequest, index: number) => ProxyFault | undefined

/** The proxy and what it saw. */
export interface FaultProxy {
  /** `http://127.0.0.1:PORT`, to be used in place of the server's. */
  readonly origin: string
  /** Every request so far, in order; may be emptied. */
  readonly requests: WireRequest[]
  /** Nothing is broken without a plan. */
  setPlan(plan: ProxyPlan | null): void
  close(): Promise<void>
}

/** Start one on a free loopback port, in front of `http://127.0.0.1:PORT`. */
export async function startFaultProxy(server_url: string): Promise<FaultProxy> {
  const upstream = new URL(server_url)
  const sockets = new Set<Socket>()
  const requests: WireRequest[] = []
  let plan: ProxyPlan | null = null

  const track = (socket: Socket): Socket => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.once('close', () => sockets.delete(socket))
    return socket
  }

  async function serve(client: Socket): Promise<void> {
    const reader = new MessageReader(client)
    const line = upstreamLine(() => track(connect(Number(upstream.port), upstream.hostname)))
    client.once('close', line.close)
    for (;;) {
      const request = await reader.request()
      if (request === null) break
      requests.push(request)
      if (!(await answer(client, line, request, plan?.(request, requests.length - 1)))) break
    }
    line.close()
    client.end()
  }

  const server = createServer((client) => {
    serve(track(client)).catch(() => client.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    requests,
    setPlan: (next) => void (plan = next),
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((closed) => server.close(closed))
    },
  }
}

/** One connection to the server, opened when it is needed. */
interface UpstreamLine {
  exchange(request: Pick<WireRequest, 'head' | 'body' | 'method'>): Promise<WireMessage | null>
  close(): void
}

function upstreamLine(open: () => Socket): UpstreamLine {
  let current: { readonly socket: Socket; readonly reader: MessageReader } | null = null
  return {
    async exchange({ head, body, method }) {
      if (current === null || current.socket.destroyed || current.socket.readableEnded) {
        const socket = open()
        current = { socket, reader: new MessageReader(socket) }
      }
      current.socket.write(Buffer.concat([head, body]))
      const response = await current.reader.response(method)
      if (response === null || response.headers.get('connection')?.toLowerCase() === 'close') {
        current.socket.destroy()
        current = null
      }
      return response
    },
    close() {
      current?.socket.destroy()
      current = null
    },
  }
}

/** False when the client's connection is over. */
async function answer(
  client: Socket,
  line: UpstreamLine,
  request: WireRequest,
  fault: ProxyFault | undefined,
): Promise<boolean> {
  if (fault === undefined) return forward(client, await line.exchange(request))
  switch (fault.fault) {
    case 'answer':
      client.write(bytesOf(fault.answer, request.method))
      return true
    case 'answer_after': {
      const real = await line.exchange(request)
      const false_answer =
        typeof fault.answer === 'function' ? fault.answer(real === null ? 0 : statusOf(real)) : fault.answer
      if (false_answer === null) return forward(client, real)
      client.write(bytesOf(false_answer, request.method))
      return true
    }
    case 'reset':
      client.resetAndDestroy()
      return false
    case 'reset_after':
      await line.exchange(request)
      client.resetAndDestroy()
      return false
    case 'hang':
    case 'hang_after':
      if (fault.fault === 'hang_after') await line.exchange(request)
      if (!client.closed) await once(client, 'close')
      return false
    case 'duplicate': {
      const first = await line.exchange(request)
      const second = await line.exchange(request)
      return forward(client, fault.seen === 'first' ? first : second)
    }
    case 'strip':
      return forward(client, await line.exchange({ ...request, head: stripped(request, fault) }))
    case 'truncate':
      return cut(client, await line.exchange(request), fault.where)
    case 'late':
      client.resetAndDestroy()
      await fault.until
      fault.delivered?.(statusOf((await line.exchange(request)) ?? { start_line: '' }))
      return false
  }
}

async function forward(client: Socket, response: WireMessage | null): Promise<boolean> {
  if (response === null) {
    client.resetAndDestroy()
    return false
  }
  client.write(Buffer.concat([response.head, response.body]))
  return response.headers.get('connection')?.toLowerCase() !== 'close'
}

/** The end comes orderly (FIN), as from a server that crashed after it had sent a part. */
async function cut(client: Socket, response: WireMessage | null, where: 'head' | 'body'): Promise<boolean> {
  if (response === null) return forward(client, response)
  const { head, body } = response
  const sent =
    where === 'head' ? head.subarray(0, head.length >> 1) : [head, body.subarray(0, body.length >> 1)]
  client.end(Array.isArray(sent) ? Buffer.concat(sent) : sent)
  if (!client.closed) await once(client, 'close')
  return false
}

function stripped(
  { head, method, target }: WireRequest,
  { headers = [], query = [] }: { readonly headers?: readonly string[]; readonly query?: readonly string[] },
): Buffer {
  const [, ...lines] = head.toString('latin1').split('\r\n')
  const kept = lines.filter((each) => !headers.includes(each.slice(0, each.indexOf(':')).toLowerCase()))
  const [path = '', search = ''] = target.split('?')
  const parameters = search
    .split('&')
    .filter((each) => each !== '' && !query.includes(each.split('=')[0] ?? ''))
  const new_target = parameters.length === 0 ? path : `${path}?${parameters.join('&')}`
  return Buffer.from([`${method} ${new_target} HTTP/1.1`, ...kept].join('\r\n'), 'latin1')
}

function bytesOf({ status, headers = {}, body = '' }: FalseAnswer, method: string): Buffer {
  const bytes = Buffer.from(body)
  const lines = [
    `HTTP/1.1 ${status} Injected`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(status === 304 || status === 204 ? [] : [`content-length: ${bytes.length}`]),
    '',
    '',
  ]
  const head = Buffer.from(lines.join('\r\n'), 'latin1')
  return method === 'HEAD' || status === 304 ? head : Buffer.concat([head, bytes])
}
