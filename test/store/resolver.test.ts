/**
 * A lost response becomes one applied commit, whichever driver is under the protocol (providers.md 5, L-5). A few seeds
 * here; `npm run prove:stores` runs 1 000 a driver.
 */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { memoryStore } from '../../lib/store/memory.ts'
import { withFaults } from '../../lib/store/faults.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { GCS_DIALECT, openGcsBench } from '../support/gcs-bench.ts'
import { fates, resolverRun, type Fate } from '../support/resolver-runs.ts'
import { openS3Bench, S3_DIALECT } from '../support/s3-bench.ts'
import { whyNot } from '../support/servers/binaries.ts'
import { startGcsFake } from '../support/servers/gcs-fake.ts'
import { startMinio } from '../support/servers/minio.ts'
import { startMiniflareS3 } from '../support/servers/miniflare-s3.ts'
import { startWorker } from '../support/servers/workerd.ts'
import type { Dialect, WireBench } from '../support/wire-bench.ts'
import type { RowResult } from '../support/workerd/contract-worker.ts'

const RUNS = Number(process.env['TIDEMARK_PROOF_RUNS'] ?? 15)

/** Runs one seed; null, or what went wrong. */
interface Bench {
  run(seed: number): Promise<string | null>
  close(): Promise<void>
}

const DRIVERS: readonly { readonly name: string; start(): Promise<Bench> }[] = [
  { name: 's3.ts', start: async () => startS3('sdk') },
  { name: 's3-fetch.ts', start: async () => startS3('fetch') },
  { name: 'gcs.ts', start: async () => startGcs('sdk') },
  { name: 'gcs-fetch.ts', start: async () => startGcs('fetch') },
  { name: 'r2.ts in workerd', start: startR2 },
]

describe.each(DRIVERS)('$name', ({ start }) => {
  let bench: Bench
  beforeAll(async () => {
    bench = await start()
  }, 60_000)
  afterAll(async () => bench.close())

  test(
    `all of ${RUNS} runs apply each commit once, with 25 % of responses and 10 % of writes lost`,
    { timeout: 3_600_000 },
    async () => {
      const failures: Record<number, string> = {}
      for (let seed = 1; seed <= RUNS; seed++) {
        const failure = await bench.run(seed)
        if (failure !== null) failures[seed] = failure
      }
      expect(failures).toEqual({})
    },
  )
})

describe('what it is worth', () => {
  const memoryRun = async (
    seed: number,
    wrap: (store: MaintenanceStore) => MaintenanceStore,
  ): Promise<string | null> => {
    const healthy = memoryStore()
    const fateOf = fates(seed)
    const faulty = withFaults(healthy, ({ kind }) => {
      const fate = fateOf(kind === 'put' ? 'write' : 'read')
      return fate === 'arrives' ? undefined : { fault: fate }
    })
    return resolverRun(seed, { healthy, faulty: wrap(faulty) })
  }

  test('a driver that takes a lost response for a refusal is survived too: nothing is believed without a look', async () => {
    const lying = (store: MaintenanceStore): MaintenanceStore => ({
      ...store,
      async put(...call) {
        const result = await store.put(...call)
        return result.outcome === 'unknown' ? { outcome: 'precondition_failed' } : result
      },
    })
    const failures = await Promise.all(
      Array.from({ length: 20 }, async (_, seed) => memoryRun(seed + 1, lying)),
    )
    expect(failures.filter((failure) => failure === null)).toHaveLength(20)
  })

  test('the same seeds lose commits over a driver that takes a lost response for a success', async () => {
    const lying = (store: MaintenanceStore): MaintenanceStore => ({
      ...store,
      async put(...call) {
        const result = await store.put(...call)
        return result.outcome === 'unknown' ? { outcome: 'ok', token: 'made up' } : result
      },
    })
    const failures = await Promise.all(
      Array.from({ length: 20 }, async (_, seed) => memoryRun(seed + 1, lying)),
    )
    expect(failures.filter((failure) => failure !== null).length).toBeGreaterThan(5)
  })

  test('a tenth of the writes is lost, a quarter of their responses', () => {
    const drawn = fates(7)
    const counts: Record<Fate, number> = { arrives: 0, lost_request: 0, lost_response: 0 }
    for (let i = 0; i < 10_000; i++) counts[drawn('write')] += 1
    expect(counts.lost_request / 10_000).toBeCloseTo(0.1, 1)
    expect(counts.lost_response / 10_000).toBeCloseTo(0.25, 1)
  })
})

async function startS3(client: 'sdk' | 'fetch'): Promise<Bench> {
  const server = whyNot('minio') === null ? await startMinio() : await startMiniflareS3()
  const bench = await openS3Bench(server)
  return {
    run: overProxy(
      bench.wires,
      S3_DIALECT,
      bench.open(client),
      bench.open(client, { endpoint: server.endpoint }),
    ),
    async close() {
      await bench.close()
      await server.stop()
    },
  }
}

async function startGcs(client: 'sdk' | 'fetch'): Promise<Bench> {
  const server = await startGcsFake()
  const bench = await openGcsBench(server)
  return {
    run: overProxy(
      bench.wires,
      GCS_DIALECT,
      bench.open(client),
      bench.open(client, { endpoint: server.endpoint }),
    ),
    async close() {
      await bench.close()
      await server.stop()
    },
  }
}

function overProxy(
  { proxy }: WireBench,
  dialect: Dialect,
  faulty: MaintenanceStore,
  healthy: MaintenanceStore,
): Bench['run'] {
  return async (seed) => {
    const fateOf = fates(seed)
    proxy.requests.splice(0)
    proxy.setPlan((request) => {
      const fate = fateOf(dialect.isWrite(request) ? 'write' : 'read')
      if (fate === 'arrives') return undefined
      return { fault: fate === 'lost_request' ? 'reset' : 'reset_after' }
    })
    return resolverRun(seed, { faulty, healthy })
  }
}

async function startR2(): Promise<Bench> {
  const entry = fileURLToPath(new URL('../support/workerd/contract-worker.ts', import.meta.url))
  const worker = await startWorker(entry, { with_node: true })
  return {
    run: async (seed) => (await worker.json<RowResult>(`/resolve/${seed}`)).failure,
    close: async () => worker.stop(),
  }
}
