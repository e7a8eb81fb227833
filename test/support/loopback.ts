/** The real Node server of an app on a loopback port, and a client that can misbehave on the wire. */
import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { nodeServer } from '../../functions/entry/node-server.ts'
import type { App } from '../../functions/app.ts'

/** One answer as it came off the wire. */
export interface WireAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** A server under test. */
export interface Loopback {
  /** A fresh connection. */
  open(): Promise<Wire>
  close(): Promise<void>
}

/** One connection, and every byte that came back on it. */
export interface Wire {
  /** Write, and wait until it is handed over. A connection that the server has closed swallows it. */
  send(...parts: readonly (string | Uint8Array)[]): Promise<void>
  /** Close the sending side only. */
  end(): void
  /** Vanish. */
  destroy(): void
  /** The first `count` answers, when they are there. Fails when the connection closes before. */
  answers(count: number): Promise<readonly WireAnswer[]>
  /** Resolves when the server has closed the connection. */
  closed(): Promise<readonly WireAnswer[]>
}

/** Serve an app on a free port. */
export async function loopback(app: App, options: Parameters<typeof nodeServer>[1] = {}): Promise<Loopback> {
  const server = nodeServer(app, options)
  server.listen({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    async open() {
      const socket = connect({ host: '127.0.0.1', port })
      await once(socket, 'connect')
      return wire(socket)
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function wire(socket: Socket): Wire {
  let received = Buffer.alloc(0)
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
  })
  // A reset is a way to close; what the test is after is what arrived before.
  socket.on('error', () => undefined)
  return {
    async send(...parts) {
      for (const part of parts) await new Promise<void>((resolve) => socket.write(part, () => resolve()))
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
    async answers(count) {
      for (;;) {
        const whole = parseAnswers(received)
        if (whole.length >= count) return whole
        await Promise.race([once(socket, 'data'), ended])
        if (socket.closed && parseAnswers(received).length < count) {
          throw new Error(`the connection closed after ${JSON.stringify(received.toString())}`)
        }
      }
    },
    async closed() {
      await ended
      return parseAnswers(received)
    },
  }
}

/** Whole answers with a Content-Length, which is how all of ours come; interim ones (100) are left out. */
function parseAnswers(received: Buffer): readonly WireAnswer[] {
  const answers: WireAnswer[] = []
  for (let at = 0; ;) {
    const head_end = received.indexOf('\r\n\r\n', at)
    if (head_end < 0) return answers
    const [status_line = '', ...lines] = received.toString('latin1', at, head_end).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(status_line)?.[1])
    const headers = new Headers(
      lines.map((line): [string, string] => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon), line.slice(colon + 1).trim()]
      }),
    )
    const body_at = head_end + 4
    const body_end = body_at + Number(headers.get('content-length') ?? 0)
    if (received.length < body_end) return answers
    if (status >= 200) answers.push({ status, headers, text: received.toString('utf8', body_at, body_end) })
    at = body_end
  }
}
