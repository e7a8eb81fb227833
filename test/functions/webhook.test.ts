/** Delivering a report: how long, how often, and how far (docs/health.md). */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { deliver, type Delivery } from '../../functions/webhook.ts'
import { WEBHOOK_SECRET } from '../support/health.ts'

/** A receiver that takes requests and never answers. */
async function silentReceiver(): Promise<{ readonly url: string; readonly requests: () => number }> {
  let requests = 0
  const server = createServer(() => {
    requests += 1
  })
  server.listen({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/`, requests: () => requests }
}

test('a receiver that does not answer is left after its time, three times, with longer and longer pauses', async () => {
  const { url, requests } = await silentReceiver()
  const pauses: number[] = []
  const delivery: Delivery = {
    id: '01JKTT0G00Z4N2V8R6W1X3Y5ZB',
    body: '{}',
    attempt_ms: 50,
    now: () => 0,
    sleep: async (ms) => void pauses.push(ms),
  }
  expect(await deliver({ url, secret: WEBHOOK_SECRET }, delivery)).toEqual({
    ok: false,
    why: 'no answer within 0.05 s',
  })
  expect([requests(), pauses]).toEqual([3, [500, 1_000]])
})
