/**
 * Counts on the wire what `countRounds` counts at the interface (spec/coordinator.md 13): a proxy in front of a real
 * server that holds every request until nobody sends another, then lets all of them through at once. What was sent
 * without waiting for each other is one round, however long the server takes for either.
 */
import { once } from 'node:events'
import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'

/** One request that left the driver. */
export interface WireRequest {
  readonly method: string
  /** The path as sent. */
  readonly path: string
  /** From 1; requests that did not wait for each other share it. */
  readonly round: number
}

/** The proxy and what passed it. */
export interface RoundsProxy {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string
  /** Since the last `reset`. */
  readonly requests: readonly WireRequest[]
  reset(): void
  close(): Promise<void>
}

/** Silence that ends a round. The client is in this process, so that turns of the event loop are its time, too. */
const SILENCE = { ms: 40, turns: 20 }

/** Start one in front of a server on a loopback address. */
export async function startRoundsProxy(server_url: string): Promise<RoundsProxy> {
  const requests: WireRequest[] = []
  let round: { readonly number: number; arrivals: number; readonly over: Promise<void> } | null = null
  let rounds = 0

  async function silence(arrivals: () => number): Promise<void> {
    for (let seen = -1; seen !== arrivals();) {
      seen = arrivals()
      await wait(SILENCE.ms)
      for (let turns = 0; turns < SILENCE.turns; turns++) await turn()
    }
    round = null
  }

  const server = createServer((incoming, outgoing) => {
    if (round === null) {
      const opened = { number: ++rounds, arrivals: 0 }
      round = Object.assign(opened, { over: silence(() => opened.arrivals) })
    }
    round.arrivals += 1
    requests.push({ method: incoming.method ?? '', path: incoming.url ?? '', round: round.number })
    exchange(server_url, incoming, round.over)
      .then((answer) => give(answer, outgoing))
      .catch(() => outgoing.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    requests,
    reset() {
      requests.length = 0
      rounds = 0
    },
    async close() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

/** Send a request on as it came, its signed Host included, once its round is over. */
async function exchange(
  server_url: string,
  incoming: IncomingMessage,
  is_over: Promise<void>,
): Promise<IncomingMessage> {
  const { method, url: path, rawHeaders } = incoming
  if (incoming.headers.expect !== undefined) throw new Error('a request that waits is two')
  const body = await buffer(incoming)
  await is_over
  const { hostname, port } = new URL(server_url)
  const outgoing = send({ hostname, port, method, path, headers: rawHeaders, agent: false })
  outgoing.end(body)
  const [answer] = await once(outgoing, 'response')
  return answer
}

function give(answer: IncomingMessage, outgoing: ServerResponse): void {
  outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
  answer.pipe(outgoing)
}
