/** A client that goes away does not cut a commit that is reserved (spec/http-api.md 11). */
import { describe, expect, onTestFinished, test } from 'vitest'
import type { App } from '../../functions/app.ts'
import { heldBefore, type HeldProcess, type Write } from '../support/crash-windows.ts'
import { loopback } from '../support/loopback.ts'
import { STORES } from '../support/stores.ts'
import { useTables, type Picture, type Table, type Writer } from '../support/tables.ts'

/** One version is there before: `n` is 0, `v` is 1. */
const n = 0
const DONE: Picture = { state: '{v, null}', log: ['A@v'], markers: ['A@v'], staged: ['A'] }
const AFTER_THE_RESERVE = ['log', 'marker', 'finalize'] as const satisfies readonly Write[]

function bodyOf({ call }: Writer): { readonly path: string; readonly body: string } {
  const { table_id, ...members } = call
  return { path: `/api/v1/delta/tables/${table_id}/commits`, body: JSON.stringify(members) }
}

describe.each(STORES)('a client that is gone on $name', ({ make }) => {
  const fresh = useTables(make)

  /** A commit that is reserved and held in front of a later write. */
  async function heldCommit(write: Write): Promise<{
    readonly at: Table
    readonly a: Writer
    readonly held: HeldProcess
  }> {
    const at = fresh()
    await at.history(n)
    return { at, a: await at.writer('A', n), held: heldBefore(at, write) }
  }

  /** The commit is finished by the process that began it, and a replay is told so. */
  async function expectFinished(at: Table, a: Writer, { app }: HeldProcess['service']): Promise<void> {
    await app.drain()
    expect(await at.picture(n)).toEqual(DONE)
    expect(at.told(await at.service.commit(a.call), n)).toBe('200 v')
  }

  test.each(AFTER_THE_RESERVE)('a request aborted in front of %s commits all the same', async (write) => {
    const { at, a, held } = await heldCommit(write)
    const { path, body } = bodyOf(a)
    const client = new AbortController()
    const answer = held.service.app.fetch(
      new Request(`http://tidemark.test${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        signal: client.signal,
      }),
    )
    await held.reached
    client.abort()
    held.goOn()
    expect((await answer).status).toBe(200)
    await expectFinished(at, a, held.service)
  })

  test.each(AFTER_THE_RESERVE)(
    'a connection that breaks in front of %s does not stop the commit',
    async (write) => {
      const { at, a, held } = await heldCommit(write)
      const { path, body } = bodyOf(a)
      const gone = Promise.withResolvers<void>()
      const { app } = held.service
      const watched: App = {
        ...app,
        async fetch(request, env) {
          request.signal.addEventListener('abort', () => gone.resolve())
          return app.fetch(request, env)
        },
      }
      const server = await loopback(watched)
      onTestFinished(async () => server.close())
      const client = await server.open()
      await client.send(
        `POST ${path} HTTP/1.1\r\nHost: tidemark.test\r\nContent-Type: application/json\r\n` +
          `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      )
      await held.reached
      client.destroy()
      await gone.promise
      held.goOn()
      await expectFinished(at, a, held.service)
    },
  )
})
