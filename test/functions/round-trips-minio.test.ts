/** The round-trip budget (spec/coordinator.md 13) on the wire between each S3 driver and a real MinIO. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { scopedMaintenanceStore, scopePrefix } from '../../lib/store/scoped.ts'
import { ROWS, sendAct } from '../support/commit-cases.ts'
import { openWorld, viewTable, type World } from '../support/commit-world.ts'
import type { Answer } from '../support/service.ts'
import { whyNot } from '../support/servers/binaries.ts'
import { openByFetch, openBySdk } from '../support/servers/minio-stores.ts'
import { startMinio, type Minio } from '../support/servers/minio.ts'
import { countRounds, readBucket } from '../support/stores.ts'
import { startRoundsProxy, type RoundsProxy } from '../support/wire-rounds.ts'

const without = whyNot('minio')

describe.skipIf(without !== null).each([
  { name: 'the S3 SDK', open: openBySdk },
  { name: 'the S3 fetch driver', open: openByFetch },
])(`coordinator.md 13, base lane, on the wire to MinIO by $name ${without ?? ''}`, ({ open }) => {
  let minio: Minio
  let proxy: RoundsProxy
  beforeAll(async () => {
    minio = await startMinio()
    proxy = await startRoundsProxy(minio.endpoint)
  })
  afterAll(async () => {
    await proxy.close()
    await minio.stop()
  })

  for (const [at, row] of ROWS.entries()) {
    const { row: name, rounds, requests, answer: expected, after } = row
    test(`${name}: ${rounds} sequential rounds, ${requests} requests (C18)`, async () => {
      const scope = { tenant: 'test', workspace: String(at) }
      const direct = scopedMaintenanceStore(open(minio), scope)
      const counted = scopedMaintenanceStore(open({ ...minio, endpoint: proxy.origin }), scope)
      const world = openWorld({ store: direct, close: () => undefined })
      const it = world.process(() => counted)
      const act = await row.prepare(world, it)
      proxy.reset()
      const answer = await sendAct(it, act)
      const wire = [...proxy.requests]

      expect(statedIn(answer)).toEqual({ reason: undefined, version: undefined, ...expected })
      expect(wire.at(-1)?.round).toBe(rounds)
      expect(wire).toHaveLength(requests)
      // Request for request what a counting store sees: no driver adds a look or sends anything twice.
      const bucket = `/${minio.bucket}/${scopePrefix(scope)}`
      const sent = wire.map(({ round, method, path }) => `${round} ${method} ${relative(path, bucket)}`)
      expect(sent.toSorted()).toEqual(await operationsOf(row))
      expect(viewTable(world, await readBucket(direct))).toEqual(after)
    })
  }
})

function statedIn({ status, body }: Answer): object {
  return { status, reason: body.reason, version: body.version }
}

/** The key, as the world knows it. */
function relative(path: string, prefix: string): string {
  const decoded = decodeURIComponent(path.split('?')[0] ?? '')
  return decoded.startsWith(prefix) ? decoded.slice(prefix.length) : decoded
}

/** The same row at the interface of a memory store. */
async function operationsOf({ prepare }: (typeof ROWS)[number]): Promise<string[]> {
  const world: World = openWorld('memory')
  const { store, operations, reset } = countRounds(world.store)
  const it = world.process(() => store)
  const act = await prepare(world, it)
  reset()
  await sendAct(it, act)
  return operations.map(({ round, kind, key }) => `${round} ${kind.toUpperCase()} ${key}`).toSorted()
}

test('the proxy counts what waits for each other, and not what does not', async () => {
  const server = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const proxy = await startRoundsProxy(`http://127.0.0.1:${port}`)
  const chain = async (name: string, length: number): Promise<void> => {
    for (let each = 0; each < length; each++) await (await fetch(`${proxy.origin}/${name}`)).text()
  }
  const rounds = (name: string): number[] =>
    proxy.requests.filter(({ path }) => path === `/${name}`).map(({ round }) => round)
  await Promise.all([chain('a', 3), chain('b', 1), chain('c', 2)])
  expect([rounds('a'), rounds('b'), rounds('c')]).toEqual([[1, 2, 3], [1], [1, 2]])
  await proxy.close()
  server.closeAllConnections()
  server.close()
})
