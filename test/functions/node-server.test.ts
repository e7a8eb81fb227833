import { afterEach, describe, expect, test } from 'vitest'
import { createApp } from '../../functions/app.ts'
import { withFaults } from '../../lib/store/faults.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { loopback, type Loopback } from '../support/loopback.ts'
import { expectProblem } from '../support/problems.ts'
import { commitKeys, freshId, testDeps, testService, type CommitCall } from '../support/service.ts'
import { countRounds, readBucket } from '../support/stores.ts'

const servers: Loopback[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

async function serve(...args: Parameters<typeof loopback>): Promise<Loopback> {
  const server = await loopback(...args)
  servers.push(server)
  return server
}

/** A staged payload, ready to be committed as version 0. */
async function staged(store: ReturnType<typeof memoryStore>): Promise<CommitCall> {
  const table_id = freshId()
  const payload = await testService(store).stage(table_id)
  return { table_id, read_version: -1, ...payload, idempotency_key: freshId() }
}

function onTheWire({ table_id, ...members }: CommitCall): string {
  const body = JSON.stringify(members)
  return (
    `POST /api/v1/delta/tables/${table_id}/commits HTTP/1.1\r\nHost: tidemark.test\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  )
}

describe('a connection on which something goes wrong', () => {
  test('bytes after a whole commit do not turn its answer into a definite 400 (C11)', async () => {
    const store = memoryStore()
    const call = await staged(store)
    const server = await serve(createApp(testDeps(countRounds(store).store)))
    const wire = await server.open()
    await wire.send(`${onTheWire(call)}these bytes are no request\r\n\r\n`)
    const [commit, garbage] = await wire.closed()
    expect(commit).toMatchObject({ status: 200 })
    expect(JSON.parse(commit?.text ?? '')).toMatchObject({ version: 0 })
    expect(garbage).toMatchObject({ status: 400 })
  })

  test('of several commits before the bad bytes, each gets its own answer, in order', async () => {
    const store = memoryStore()
    const calls = [await staged(store), await staged(store), await staged(store)]
    const server = await serve(createApp(testDeps(countRounds(store).store)))
    const wire = await server.open()
    await wire.send(`${calls.map(onTheWire).join('')}GARBAGE\r\n\r\n`)
    const answers = await wire.closed()
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 400])
    for (const [at, { table_id }] of calls.entries()) expect(answers[at]?.text).toContain(table_id)
  })

  test('a client that vanishes after the reserve CAS does not cut its commit (http-api.md 11)', async () => {
    const store = memoryStore()
    const call = await staged(store)
    const keys = commitKeys(call.table_id, call.idempotency_key, 0)
    const reserved = Promise.withResolvers<void>()
    const gone = Promise.withResolvers<void>()
    const slow = withFaults(store, ({ kind, key }) => {
      if (kind !== 'put' || !key.endsWith(keys.log)) return undefined
      reserved.resolve()
      return { fault: 'latency', until: gone.promise }
    })
    const app = createApp(testDeps(slow))
    const server = await serve(app)
    const wire = await server.open()
    await wire.send(onTheWire(call))
    await reserved.promise
    wire.destroy()
    await wire.closed()
    gone.resolve()
    await app.drain()
    const bucket = await readBucket(store)
    const { prefix } = testService(store)
    expect(JSON.parse(bucket[`${prefix}${keys.state}`] ?? '')).toMatchObject({
      latest_version: 0,
      inflight: null,
    })
    expect(Object.keys(bucket)).toEqual(
      expect.arrayContaining([`${prefix}${keys.log}`, `${prefix}${keys.marker}`]),
    )
  })

  test('headers that do not arrive in time are a 408', async () => {
    const server = await serve(createApp(testDeps(memoryStore())), { request_timeout_ms: 100 })
    const wire = await server.open()
    await wire.send('GET /health HTTP/1.1\r\nHost: tidemark.test\r\n')
    const [answer] = await wire.closed()
    if (answer === undefined) throw new Error('no answer')
    const { status, headers, text } = answer
    expectProblem({ status, headers, body: JSON.parse(text) }, { reason: 'request_timeout' })
  })
})
