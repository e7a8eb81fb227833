/** Line breaks in whatever a client may say (correctness.md S36): no answer gets a header, or a second answer, from them. */
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { routesOf } from '../../functions/app.ts'
import { nodeServer } from '../../functions/entry/node-server.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { freshId, freshPayload, testDeps, testService } from '../support/service.ts'

const BREAKS = {
  CRLF: '\r\nX-Injected: 1',
  'a second answer': '\r\n\r\nHTTP/1.1 200 OK\r\nX-Injected: 1\r\n\r\n',
  LF: '\nX-Injected: 1',
  CR: '\rX-Injected: 1',
  'U+2028': '\u2028X-Injected: 1',
  'U+560A, which cut to a byte is a line feed': '\u560dX-Injected: 1',
}

const ROUTES = routesOf(testDeps(memoryStore()))
const CASES = Object.entries(BREAKS).flatMap(([name, text]) =>
  ROUTES.map((route) => ({ name, text, ...route })),
)

function expectClean(headers: Headers): void {
  const dirty = [...headers].filter((pair) =>
    pair.some((text) => !/^[\x20-\x7e]*$/.test(text) || /injected/i.test(text)),
  )
  expect(dirty).toEqual([])
}

describe('line breaks in a request, S36', () => {
  test.each(CASES)('$name in the path and the query of $method $path', async ({ text, method, path }) => {
    const { app } = testService(memoryStore())
    const hostile = encodeURIComponent(`x${text}`)
    const url = `http://tidemark.test${path.replace(/:\w+/, hostile)}?${hostile}=${hostile}`
    const body = method === 'POST' ? { body: '{}', headers: { 'content-type': 'application/json' } } : {}
    const answer = await app.fetch(new Request(url, { method, ...body }))
    expectClean(answer.headers)
  })

  test.each(Object.entries(BREAKS))('%s in every member of a commit', async (_, text) => {
    const service = testService(memoryStore())
    const table_id = freshId()
    const call = {
      table_id,
      read_version: -1,
      ...(await service.stage(table_id)),
      idempotency_key: freshId(),
    }
    for (const member of ['staged_path', 'staged_version', 'idempotency_key'] as const) {
      const answer = await service.commit({ ...call, [member]: `${call[member]}${text}` })
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expectClean(answer.headers)
    }
    const staged = await service.request('POST', `/api/v1/delta/tables/${table_id}/commits/stage`, {
      payload: `${freshPayload()}${text}`,
    })
    expectClean(staged.headers)
  })

  test('S36: an id of a request that is no plain text is not sent back', async () => {
    const { app } = testService(memoryStore())
    for (const id of ['a b', 'a\u00e9', 'x'.repeat(129)]) {
      const answer = await app.fetch(
        new Request('http://tidemark.test/health', { headers: { 'x-request-id': id } }),
      )
      expect(answer.headers.get('x-request-id')).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/)
      expectClean(answer.headers)
    }
  })

  test('S36: on the wire, a bare line feed in a header value is refused and echoes nothing', async () => {
    const server = nodeServer(testService(memoryStore()).app)
    try {
      await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
      const address = server.address()
      if (typeof address !== 'object' || address === null) throw new Error('the server listens on no port')
      const { port } = address
      const answer = await new Promise<string>((ended, failed) => {
        let text = ''
        const socket = connect(port, '127.0.0.1', () =>
          socket.end(
            'GET /health HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\rX-Injected: 1\r\nConnection: close\r\n\r\n',
          ),
        )
        socket.setEncoding('utf8').on('data', (part: string) => (text += part))
        socket.on('close', () => ended(text)).on('error', failed)
      })
      const [status = '', ...headers] = answer.split('\r\n\r\n', 1)[0]?.split('\r\n') ?? []
      expect(status).toMatch(/^HTTP\/1\.1 400 /)
      expect(headers.filter((line) => /^x-injected/i.test(line))).toEqual([])
    } finally {
      server.close()
    }
  })
})
