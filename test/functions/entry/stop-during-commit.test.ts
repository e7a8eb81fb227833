/** SIGTERM while a commit is between its reserve and its log entry: it is finished and answered, then the process ends. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { fsStore } from '../../../lib/store/fs.ts'
import { NODE_ENTRY, startServer, type ServerProcess } from '../../support/server-process.ts'
import { commitKeys, freshId, freshPayload } from '../../support/service.ts'
import { readBucket } from '../../support/stores.ts'

const GRACEFUL = { code: 0, signal: null }

test('http-api.md 11: a reserved commit is finished and answered after SIGTERM, and the exit code is 0', async () => {
  const { server, gate, commit, state, finished } = await reservedCommit()
  const answered = once(commit, 'response')
  await gate.reached
  server.kill('SIGTERM')
  await refusesConnections(server)
  expect((await state()).inflight).toMatchObject({ version: 0 })
  gate.goOn()
  const [answer] = await answered
  expect(answer.statusCode).toBe(200)
  expect(await json(answer)).toMatchObject({ version: 0 })
  expect(await server.ended).toMatchObject(GRACEFUL)
  await finished()
})

test('the same when its client has gone away: nobody is answered, and the commit is finished', async () => {
  const { server, gate, commit, finished } = await reservedCommit()
  commit.on('error', () => undefined)
  await gate.reached
  commit.destroy()
  server.kill('SIGTERM')
  await refusesConnections(server)
  gate.goOn()
  expect(await server.ended).toMatchObject(GRACEFUL)
  await finished()
})

/** The real entry file over a folder, and the request of a first commit that the server holds after its reserve. */
async function reservedCommit(): Promise<{
  readonly server: ServerProcess
  readonly gate: Gate
  readonly commit: ReturnType<typeof request>
  // oxlint-disable-next-line typescript/no-explicit-any -- the state as it is stored
  state(): Promise<any>
  /** Log entry, marker and state are those of the commit. */
  finished(): Promise<void>
}> {
  const gate = await openGate()
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-stop-'))
  const server = await startServer(NODE_ENTRY, {
    ARCO_STORAGE_BUCKET: `file:${folder}`,
    NODE_OPTIONS: `--import ${join(import.meta.dirname, '../../support/held-log-write.ts')}`,
    HELD_AT: gate.address,
  })
  onTestFinished(async () => {
    await server.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  const table_id = freshId()
  const idempotency_key = freshId()
  const payload = freshPayload()
  const table = `${server.base}/api/v1/delta/tables/${table_id}`
  const headers = { 'content-type': 'application/json' }
  const staged = await fetch(`${table}/commits/stage`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ payload }),
  })
  const body = { ...Object(await staged.json()), read_version: -1, idempotency_key }
  const commit = request(`${table}/commits`, { method: 'POST', headers })
  commit.end(JSON.stringify(body))

  const keys = commitKeys(table_id, idempotency_key, 0)
  const scoped = (key: string): string => `tenant=dev/workspace=main/${key}`
  async function bucket(): Promise<Record<string, string>> {
    return readBucket(fsStore(folder))
  }
  return {
    server,
    gate,
    commit,
    state: async () => JSON.parse((await bucket())[scoped(keys.state)] ?? 'null'),
    async finished() {
      const left = await bucket()
      expect(left[scoped(keys.log)]).toBe(payload)
      expect(JSON.parse(left[scoped(keys.marker)] ?? 'null')).toMatchObject({ idempotency_key, version: 0 })
      expect(JSON.parse(left[scoped(keys.state)] ?? 'null')).toMatchObject({
        latest_version: 0,
        inflight: null,
      })
    },
  }
}

/** Something that another process asks before it goes on. */
interface Gate {
  readonly address: string
  /** Somebody waits. */
  readonly reached: Promise<void>
  goOn(): void
}

async function openGate(): Promise<Gate> {
  const waiting: ServerResponse[] = []
  const reached = Promise.withResolvers<void>()
  const gate = createServer((_incoming, outgoing) => {
    waiting.push(outgoing)
    reached.resolve()
  })
  gate.listen({ host: '127.0.0.1', port: 0 })
  await once(gate, 'listening')
  onTestFinished(() => {
    gate.closeAllConnections()
    gate.close()
  })
  const { port } = gate.address() as AddressInfo
  return {
    address: `http://127.0.0.1:${port}`,
    reached: reached.promise,
    goOn() {
      for (const outgoing of waiting.splice(0)) outgoing.end()
    },
  }
}

/** Resolves once the server takes no new connections: it has seen the signal. */
async function refusesConnections({ base }: ServerProcess): Promise<void> {
  for (;;) {
    const is_taken = await fetch(`${base}/health`, { headers: { connection: 'close' } }).then(
      () => true,
      () => false,
    )
    if (!is_taken) return
  }
}
