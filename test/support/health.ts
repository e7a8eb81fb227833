/** What tests of the health check share: tables that are stuck, and a receiver that checks signatures. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, vi } from 'vitest'
import { scopedStore } from '../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { dyingAfter, WINDOWS, type Window } from './crash-windows.ts'
import { readText } from './objects.ts'
import { commitKeys, freshId, testClock, testService, type TestServiceOptions } from './service.ts'

/** A key that both sides have. */
export const WEBHOOK_SECRET = 'whsec-0123456789abcdef0123456789abcdef'

/** Commit to a fresh table by a process that dies in `window`; by default so long ago that its TTL has passed. */
export async function plantStuck(
  store: MaintenanceStore,
  { window = 'W1', table_id = freshId(), ...options }: TestServiceOptions & PlantedOptions = {},
): Promise<string> {
  const clock = options.clock ?? testClock()
  const dying = testService(dyingAfter(WINDOWS.indexOf(window))(store), { ...options, clock })
  const staged = await testService(store, { ...options, clock }).stage(table_id)
  const answer = await dying.commit({ table_id, read_version: -1, ...staged, idempotency_key: freshId() })
  if (answer.status !== 503) throw new Error(`it did not die: ${JSON.stringify(answer.body)}`)
  return table_id
}

interface PlantedOptions {
  readonly window?: Window
  readonly table_id?: string
}

/** One request that the receiver got. */
export interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Whether the signature is that of the secret over time and body, computed here by Node's own HMAC. */
  readonly is_signed: boolean
}

/** A receiver that listens. */
export interface WebhookReceiver {
  readonly url: string
  readonly received: readonly Received[]
  /** Status of the next answers; the last one stays. */
  answerWith(...statuses: readonly number[]): void
  close(): Promise<void>
}

/** Start one on a loopback port. */
export async function webhookReceiver(): Promise<WebhookReceiver> {
  const received: Received[] = []
  let statuses: readonly number[] = [204]
  const server = createServer((incoming, outgoing) => {
    void text(incoming).then((body) => {
      received.push({ headers: incoming.headers, body, is_signed: isSigned(incoming.headers, body) })
      const [status = 204, ...rest] = statuses
      if (rest.length > 0) statuses = rest
      outgoing.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end()
    })
  })
  server.listen({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    answerWith(...next) {
      statuses = next
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function isSigned(headers: IncomingHttpHeaders, body: string): boolean {
  const timestamp = String(headers['x-tidemark-timestamp'])
  const expected = createHmac('sha256', WEBHOOK_SECRET).update(`${timestamp}.${body}`).digest('hex')
  const given = Buffer.from(String(headers['x-tidemark-signature']))
  const wanted = Buffer.from(`sha256=${expected}`)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

/** What a deployment is told so that its runs settle what they find, and post it to the receiver. */
export function healthEnv({ url }: Pick<WebhookReceiver, 'url'>): Record<string, string> {
  return {
    TIDEMARK_HEALTH_RECOVER: 'true',
    TIDEMARK_HEALTH_WEBHOOK_URL: url,
    TIDEMARK_HEALTH_WEBHOOK_SECRET: WEBHOOK_SECRET,
  }
}

/** A run has found the table, has brought it to rest, and has posted so; the signature verifies. */
export async function expectSettledAndTold(
  store: MaintenanceStore,
  receiver: WebhookReceiver,
  table_id: string,
): Promise<void> {
  await vi.waitFor(() => expect(receiver.received.length).toBeGreaterThan(0), { timeout: 20_000 })
  const [post] = receiver.received
  expect(post?.is_signed).toBe(true)
  expect(JSON.parse(post?.body ?? '')).toMatchObject({
    type: 'tidemark.health_check',
    tenant: 'acme',
    workspace: 'analytics',
    findings: [{ rule: 'TM-201', path: `delta/coordinator/${table_id}.json` }],
    recovered: [{ table_id, action: 'rolled_forward', latest_version: 0 }],
  })
  const { state } = commitKeys(table_id, '', 0)
  const scoped = scopedStore(store, { tenant: 'acme', workspace: 'analytics' })
  expect(JSON.parse(await readText(scoped, state))).toMatchObject({ latest_version: 0, inflight: null })
}
