/** How a server ends: what is under way is answered, nothing new begins, and nobody who holds a connection can stop it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request, type ClientRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { NODE_ENTRY, startServer, type ServerProcess } from '../../support/server-process.ts'
import { freshId, freshPayload } from '../../support/service.ts'

const GRACEFUL = { code: 0, signal: null }

test.for(['SIGTERM', 'SIGINT'] as const)(
  '%s with nothing under way ends with exit code 0',
  async (signal) => {
    const server = await serve()
    expect(await server.stop(signal)).toMatchObject(GRACEFUL)
  },
)

test('a connection that is kept open does not keep the process', async () => {
  const server = await serve()
  const agent = keepAlive()
  await answerOf(request(`${server.base}/health`, { agent }).end())
  expect(await server.stop('SIGTERM')).toMatchObject(GRACEFUL)
})

test('a connection that never sends its request whole does not keep the process', async () => {
  const server = await serve()
  const { hostname, port } = new URL(server.base)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  await new Promise((sent) => socket.write('POST /api/v1/delta', sent))
  // The server has read it once it answers somebody who came later.
  await fetch(`${server.base}/health`)
  expect(await server.stop('SIGTERM')).toMatchObject(GRACEFUL)
})

test('http-api 11: a request that is under way is answered, and its connection is closed', async () => {
  const server = await serve()
  const { half, finish } = await halfSent(server, keepAlive())
  server.kill('SIGTERM')
  await refusesConnections(server)
  finish()
  const answer = await answerOf(half)
  expect(answer.statusCode).toBe(200)
  expect(answer.headers.connection).toBe('close')
  expect(await json(answer)).toHaveProperty('staged_version')
  expect(await server.ended).toMatchObject(GRACEFUL)
})

test('a client that asks again and again on one connection cannot keep the process', async () => {
  const server = await serve()
  const agent = keepAlive()
  const asked = ask(server, agent)
  await answerOf(request(`${server.base}/health`, { agent }).end())
  expect(await server.stop('SIGTERM')).toMatchObject(GRACEFUL)
  expect(await asked).toBe('refused')
})

test('a second signal ends the process at once, with exit code 1', async () => {
  const server = await serve()
  const { half } = await halfSent(server, keepAlive())
  half.on('error', () => undefined)
  server.kill('SIGTERM')
  await refusesConnections(server)
  expect(await server.stop('SIGTERM')).toMatchObject({ code: 1, signal: null })
})

test('a reader of the log that goes away does not end the server', async () => {
  const server = await serve()
  server.closeStderr()
  const statuses = []
  for (const path of ['/health', '/ready', '/health'])
    statuses.push((await fetch(`${server.base}${path}`)).status)
  expect(statuses).toEqual([200, 200, 200])
  expect(await server.stop('SIGTERM')).toMatchObject(GRACEFUL)
})

/** The real entry file over a folder of its own. */
async function serve(): Promise<ServerProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-shutdown-'))
  const server = await startServer(NODE_ENTRY, { ARCO_STORAGE_BUCKET: `file:${folder}` })
  onTestFinished(async () => {
    await server.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  return server
}

function keepAlive(): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  onTestFinished(() => agent.destroy())
  return agent
}

async function answerOf(asked: ClientRequest): Promise<IncomingMessage> {
  const answer = await new Promise<IncomingMessage>((answered, failed) => {
    asked.once('response', answered).once('error', failed)
  })
  return asked.path.endsWith('/stage') ? answer : answer.resume()
}

/** A stage request of which the server has read the headers and a part of the body. */
async function halfSent(
  server: ServerProcess,
  agent: Agent,
): Promise<{ readonly half: ClientRequest; finish(): void }> {
  const body = JSON.stringify({ payload: freshPayload() })
  const half = request(`${server.base}/api/v1/delta/tables/${freshId()}/commits/stage`, {
    method: 'POST',
    agent,
    headers: { 'content-type': 'application/json', 'content-length': body.length, expect: '100-continue' },
  })
  const is_read = new Promise((read) => half.once('continue', read))
  half.flushHeaders()
  await is_read
  half.write(body.slice(0, 10))
  return { half, finish: () => void half.end(body.slice(10)) }
}

/** Resolves once the server takes no new connections. */
async function refusesConnections({ base }: ServerProcess): Promise<void> {
  for (;;) {
    const is_taken = await fetch(`${base}/health`, { headers: { connection: 'close' } }).then(
      () => true,
      () => false,
    )
    if (!is_taken) return
  }
}

/** Ask one thing after the other until the server does not answer any more. */
async function ask({ base }: ServerProcess, agent: Agent): Promise<'refused'> {
  for (;;) {
    const answer = await answerOf(request(`${base}/health`, { agent }).end()).catch(() => null)
    if (answer === null) return 'refused'
    await new Promise((ended) => answer.once('close', ended))
  }
}
