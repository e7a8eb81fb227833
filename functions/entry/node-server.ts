/**
 * Node's HTTP server around an app. What Node's parser refuses never becomes a request of the app; here it gets the
 * problem body of every other refusal (spec/http-api.md 6), and never in place of another request's answer.
 */
import { createServer, STATUS_CODES, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { getRequestListener, RequestError } from '@hono/node-server'
import type { App } from '../app.ts'
import { HEADERS_TOO_LARGE } from '../headers.ts'
import type { Problem } from '../problem.ts'
import { INTERNAL } from '../unexpected.ts'

/** How long a request may take to arrive whole; its body has a shorter limit of its own (functions/body.ts). */
const REQUEST_TIMEOUT_MS = 60_000

/** Make the server; it does not listen yet. */
export function nodeServer(app: App, { request_timeout_ms = REQUEST_TIMEOUT_MS } = {}): Server {
  const listener = getRequestListener(app.fetch, {
    // For requests of HTTP/1.0, which may come without a Host header.
    hostname: 'localhost',
    errorHandler: (error) => app.refuse(error instanceof RequestError ? TARGET_UNUSABLE : INTERNAL),
  })
  /** The last response of each connection that is not sent, or whose request has not arrived whole. */
  const answering = new WeakMap<Duplex, ServerResponse>()
  const server = createServer(
    {
      maxHeaderSize: 16 * 1024,
      requestTimeout: request_timeout_ms,
      headersTimeout: request_timeout_ms,
      connectionsCheckingInterval: Math.min(5_000, request_timeout_ms),
      requireHostHeader: false,
    },
    (incoming, outgoing) => {
      const { socket } = incoming
      answering.set(socket, outgoing)
      outgoing.once('close', () => {
        if (incoming.complete && answering.get(socket) === outgoing) answering.delete(socket)
      })
      void listener(incoming, outgoing)
    },
  )
  // RFC 9110 10.1.1: an expectation that a server does not know may be ignored; Node would answer 417.
  server.on('checkExpectation', (incoming, outgoing) => server.emit('request', incoming, outgoing))
  server.on('connect', (_incoming, socket) => void end(socket, app.refuse(NOT_A_PROXY)))
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const response = answering.get(socket)
    const refuse = (): void => void end(socket, app.refuse(parserProblem(error)))
    const is_unread = response === undefined || (!response.req.complete && !response.headersSent)
    if (error.code === 'ECONNRESET' || !socket.writable || response?.closed === true) socket.destroy()
    else if (is_unread) refuse()
    // The bad bytes follow a whole request, perhaps a commit: its own answer comes first, and a 400 would be a lie.
    else response.once('close', refuse)
  })
  return server
}

const TARGET_UNUSABLE: Problem = {
  reason: 'bad_request',
  detail: 'expected a Host header and a request target that make a URL',
}

const NOT_A_PROXY: Problem = {
  reason: 'route_not_found',
  detail: 'this is not a proxy; GET /docs lists the routes',
}

function parserProblem({ code }: NodeJS.ErrnoException): Problem {
  if (code === 'HPE_HEADER_OVERFLOW') return HEADERS_TOO_LARGE
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return {
      reason: 'request_timeout',
      detail: 'expected the whole request sooner; nothing was written',
    }
  }
  return {
    reason: 'bad_request',
    detail: `expected a well-formed HTTP/1.1 request (${code ?? 'unparsable'})`,
  }
}

/** Write a whole response to a connection that Node has given up parsing, and close it. */
async function end(socket: Duplex, response: Response): Promise<void> {
  if (!socket.writable) return
  const body = new Uint8Array(await response.arrayBuffer())
  const headers = [...response.headers, ['content-length', String(body.length)], ['connection', 'close']]
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  socket.write(`HTTP/1.1 ${response.status} ${STATUS_CODES[response.status]}\r\n${lines}\r\n`)
  socket.end(body)
}
