/**
 * Every answer and every accident of one conditional put, for each HTTP driver through the fault proxy: one request on the
 * wire, the outcome of providers.md 1, and what the bucket holds afterwards (P-1, P-7).
 */
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { withLimits } from '../../lib/store/limits.ts'
import { StoreError, type MaintenanceStore } from '../../lib/store/types.ts'
import type { Driver } from '../support/contract/row.ts'
import type { FalseAnswer, ProxyFault } from '../support/fault-proxy.ts'
import { gcsError, GCS_DIALECT, openGcsBench } from '../support/gcs-bench.ts'
import { bytesOf, createText, readText } from '../support/objects.ts'
import { openS3Bench, s3Error, S3_DIALECT } from '../support/s3-bench.ts'
import { startGcsFake } from '../support/servers/gcs-fake.ts'
import { startMinio } from '../support/servers/minio.ts'
import { startMiniflareS3 } from '../support/servers/miniflare-s3.ts'
import { whyNot } from '../support/servers/binaries.ts'
import type { Dialect, WireBench } from '../support/wire-bench.ts'

/** A driver over a server behind the proxy. */
interface Bench {
  readonly wires: WireBench
  readonly dialect: Dialect
  open(endpoint?: string): Driver
  close(): Promise<void>
}

type Family = 's3' | 'gcs'

const DRIVERS: readonly { readonly name: string; readonly family: Family; start(): Promise<Bench> }[] = [
  { name: 's3.ts', family: 's3', start: async () => startS3('sdk') },
  { name: 's3-fetch.ts', family: 's3', start: async () => startS3('fetch') },
  { name: 'gcs.ts', family: 'gcs', start: async () => startGcs('sdk') },
  { name: 'gcs-fetch.ts', family: 'gcs', start: async () => startGcs('fetch') },
]

/** MinIO where it is; R2's S3 wire elsewhere, so that no machine goes without. */
async function startS3(client: 'sdk' | 'fetch'): Promise<Bench> {
  const server = whyNot('minio') === null ? await startMinio() : await startMiniflareS3()
  const bench = await openS3Bench(server)
  return {
    wires: bench.wires,
    dialect: S3_DIALECT,
    open: (endpoint) => bench.open(client, endpoint === undefined ? {} : { endpoint }),
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
    wires: bench.wires,
    dialect: GCS_DIALECT,
    open: (endpoint) => bench.open(client, endpoint === undefined ? {} : { endpoint }),
    async close() {
      await bench.close()
      await server.stop()
    },
  }
}

/** What a put comes to: an outcome, or the code of what is thrown. */
type Came = { readonly outcome: string; readonly retry_after_ms?: number } | { readonly code: string }

/** One accident. `create` and `replace` differ where the table of providers.md 1 says so. */
interface Case {
  readonly name: string
  readonly fault: Readonly<Record<Family, ProxyFault>>
  readonly create: Came
  readonly replace?: Came
  /** The write is in the bucket afterwards; both are told apart where they differ. */
  readonly applied: boolean
}

const UNKNOWN = { outcome: 'unknown' }
const REFUSED = { outcome: 'precondition_failed' }
const NO_EFFECT = { outcome: 'no_effect' }
const OK = { outcome: 'ok' }

const both = (fault: ProxyFault): Case['fault'] => ({ s3: fault, gcs: fault })
const answered = (s3: FalseAnswer, gcs: FalseAnswer): Case['fault'] => ({
  s3: { fault: 'answer', answer: s3 },
  gcs: { fault: 'answer', answer: gcs },
})
const answeredAfter = (s3: FalseAnswer, gcs: FalseAnswer): Case['fault'] => ({
  s3: { fault: 'answer_after', answer: s3 },
  gcs: { fault: 'answer_after', answer: gcs },
})
const plain = (status: number, headers: Readonly<Record<string, string>> = {}): Case['fault'] =>
  answered({ status, headers, body: 'not from the store' }, { status, headers, body: 'not from the store' })
const WAIT = { 'retry-after': '7' }

const CASES: readonly Case[] = [
  {
    name: '500 before it is applied',
    fault: answered(s3Error(500, 'InternalError'), gcsError(500, 'backendError')),
    create: UNKNOWN,
    applied: false,
  },
  {
    name: '500 after it is applied',
    fault: answeredAfter(s3Error(500, 'InternalError'), gcsError(500, 'backendError')),
    create: UNKNOWN,
    applied: true,
  },
  { name: '408', fault: plain(408), create: UNKNOWN, applied: false },
  { name: '502 of a gateway', fault: plain(502), create: UNKNOWN, applied: false },
  {
    name: '503',
    fault: answered(s3Error(503, 'ServiceUnavailable'), gcsError(503, 'backendError')),
    create: UNKNOWN,
    applied: false,
  },
  { name: '503 of a gateway with Retry-After', fault: plain(503, WAIT), create: UNKNOWN, applied: false },
  { name: '504 of a gateway', fault: plain(504), create: UNKNOWN, applied: false },
  {
    name: '503 SlowDown',
    fault: answered(s3Error(503, 'SlowDown', WAIT), gcsError(503, 'SlowDown', { headers: WAIT })),
    create: { ...NO_EFFECT, retry_after_ms: 7_000 },
    applied: false,
  },
  {
    name: '429 with Retry-After',
    fault: answered(
      s3Error(429, 'TooManyRequests', WAIT),
      gcsError(429, 'rateLimitExceeded', { headers: WAIT }),
    ),
    create: { ...NO_EFFECT, retry_after_ms: 7_000 },
    applied: false,
  },
  { name: '429 of a gateway', fault: plain(429), create: NO_EFFECT, applied: false },
  {
    name: '409 of a conditional request',
    fault: answered(s3Error(409, 'ConditionalRequestConflict'), gcsError(409, 'conflict')),
    create: NO_EFFECT,
    applied: false,
  },
  {
    name: '412',
    fault: answered(s3Error(412, 'PreconditionFailed'), gcsError(412, 'conditionNotMet')),
    create: REFUSED,
    applied: false,
  },
  { name: '304', fault: answered({ status: 304 }, { status: 304 }), create: REFUSED, applied: false },
  {
    name: '404 of the object',
    fault: answered(s3Error(404, 'NoSuchKey'), gcsError(404, 'notFound', { message: 'No such object: b/a' })),
    create: UNKNOWN,
    replace: REFUSED,
    applied: false,
  },
  { name: '404 of a gateway', fault: plain(404), create: UNKNOWN, applied: false },
  {
    name: '404 of the bucket',
    fault: answered(S3_DIALECT.answers.no_such_bucket, GCS_DIALECT.answers.no_such_bucket),
    create: { code: 'misconfigured' },
    applied: false,
  },
  {
    name: '501',
    fault: answered(s3Error(501, 'NotImplemented'), gcsError(501, 'notImplemented')),
    create: { code: 'misconfigured' },
    applied: false,
  },
  {
    name: '301 to another region',
    fault: answered(
      s3Error(301, 'PermanentRedirect', { location: 'http://127.0.0.1:1/' }),
      gcsError(301, 'movedPermanently', { headers: { location: 'http://127.0.0.1:1/' } }),
    ),
    create: { code: 'misconfigured' },
    applied: false,
  },
  {
    name: '307 to another address',
    fault: plain(307, { location: 'http://127.0.0.1:1/' }),
    create: { code: 'misconfigured' },
    applied: false,
  },
  {
    name: '403',
    fault: answered(s3Error(403, 'AccessDenied'), gcsError(403, 'forbidden')),
    create: { code: 'denied' },
    applied: false,
  },
  {
    name: '400 of a digest',
    fault: answered(s3Error(400, 'BadDigest'), gcsError(400, 'invalid')),
    create: { code: 'corrupt' },
    applied: false,
  },
  {
    name: '400 of a body that came in part',
    fault: {
      s3: { fault: 'answer', answer: s3Error(400, 'IncompleteBody') },
      gcs: { fault: 'answer', answer: { status: 408 } },
    },
    create: UNKNOWN,
    applied: false,
  },
  {
    name: '200 that names no generation',
    fault: answeredAfter(S3_DIALECT.answers.no_token, GCS_DIALECT.answers.no_token),
    create: UNKNOWN,
    applied: true,
  },
  { name: 'a reset before it is applied', fault: both({ fault: 'reset' }), create: UNKNOWN, applied: false },
  {
    name: 'a reset after it is applied',
    fault: both({ fault: 'reset_after' }),
    create: UNKNOWN,
    applied: true,
  },
  { name: 'a hang before it is applied', fault: both({ fault: 'hang' }), create: UNKNOWN, applied: false },
  {
    name: 'a hang after it is applied',
    fault: both({ fault: 'hang_after' }),
    create: UNKNOWN,
    applied: true,
  },
  {
    name: 'an answer cut in its head',
    fault: both({ fault: 'truncate', where: 'head' }),
    create: UNKNOWN,
    applied: true,
  },
  {
    name: 'an answer cut in its body',
    fault: {
      // A put of S3 is answered without a body.
      s3: { fault: 'truncate', where: 'head' },
      gcs: { fault: 'truncate', where: 'body' },
    },
    create: UNKNOWN,
    applied: true,
  },
  {
    name: 'delivery twice, the first answer seen',
    fault: both({ fault: 'duplicate', seen: 'first' }),
    create: OK,
    applied: true,
  },
  {
    // What a retry that nobody sees does: the protocol looks before it believes it (coordinator.md).
    name: 'delivery twice, the second answer seen',
    fault: both({ fault: 'duplicate', seen: 'second' }),
    create: REFUSED,
    applied: true,
  },
]

/** S3 refuses what was signed otherwise: MinIO by 400, R2 and AWS by 403. */
const DROPPED: Readonly<Record<Family, readonly unknown[]>> = {
  s3: [{ code: 'misconfigured' }, { code: 'denied' }],
  gcs: [OK],
}

describe.each(DRIVERS)('$name', ({ family, start }) => {
  let bench: Bench
  let direct: Driver
  let driver: MaintenanceStore

  beforeAll(async () => {
    bench = await start()
    direct = bench.open()
    driver = withLimits(direct)
  }, 60_000)

  afterAll(async () => bench.close())

  /** The next put meets the fault; a put that hangs is given up once its request is there. */
  const broken = async (
    fault: ProxyFault,
    put: (signal: AbortSignal) => Promise<unknown>,
  ): Promise<unknown> => {
    const { proxy } = bench.wires
    const caller = new AbortController()
    proxy.requests.splice(0)
    let is_next = true
    proxy.setPlan((request) => {
      if (!bench.dialect.isWrite(request) || !is_next) return undefined
      is_next = false
      if (fault.fault.startsWith('hang')) setTimeout(() => caller.abort(), 30)
      return fault
    })
    const came = await put(caller.signal).catch((error: unknown) => error)
    proxy.setPlan(null)
    expect(proxy.requests.filter(bench.dialect.isWrite)).toHaveLength(1)
    return came
  }

  /** What hangs may still be under way when its sender has given up. */
  const expectText = async (key: string, text: string | null): Promise<void> =>
    vi.waitFor(async () => {
      const found = text === null ? { outcome: 'not_found' } : { outcome: 'ok', bytes: bytesOf(text) }
      expect(await direct.get(key)).toMatchObject(found)
    })

  test.each(CASES)('$name: one request, and the outcome of providers.md 1', async (row) => {
    const { name, fault, create, replace = create, applied } = row
    const key = `attempts/${name.replaceAll(/[^a-z0-9]+/gi, '-')}`
    const created = await broken(fault[family], async (signal) =>
      driver.put(`${key}/new`, bytesOf('new'), 'doesNotExist', { signal }),
    )
    expect(told(created)).toEqual(create)
    await expectText(`${key}/new`, applied ? 'new' : null)

    const token = await createText(direct, `${key}/old`, 'old')
    const replaced = await broken(fault[family], async (signal) =>
      driver.put(`${key}/old`, bytesOf('new'), { matchesVersion: token }, { signal }),
    )
    expect(told(replaced)).toEqual(replace)
    await expectText(`${key}/old`, applied ? 'new' : 'old')
  })

  test('a condition that is dropped on the way', async () => {
    const key = 'attempts/dropped'
    const token = await createText(direct, key, 'old')
    const strip: ProxyFault = {
      fault: 'strip',
      headers: ['if-match', 'if-none-match'],
      query: ['ifGenerationMatch'],
    }
    const stale = await broken(strip, async () => driver.put(key, bytesOf('new'), { matchesVersion: token }))
    // S3 signs the condition, so that it cannot be dropped. A query of Cloud Storage is not signed: what drops it is found
    // by certification only (PV-02).
    expect(DROPPED[family]).toContainEqual(told(stale))
    expect(await readText(direct, key)).toBe(family === 's3' ? 'old' : 'new')
  })

  test('421 is refused by every server that says it; fetch of Node sends it once more by its standard', async () => {
    const { proxy } = bench.wires
    proxy.requests.splice(0)
    const misdirected: ProxyFault = { fault: 'answer', answer: { status: 421, body: 'not from the store' } }
    proxy.setPlan(() => misdirected)
    const put = driver.put('attempts/misdirected', bytesOf('new'), 'doesNotExist')
    await expect(put).rejects.toMatchObject({ name: 'StoreError', code: 'misconfigured' })
    proxy.setPlan(null)
    expect(proxy.requests).toHaveLength(direct.capabilities.driver.endsWith('-fetch') ? 2 : 1)
    expect(await direct.get('attempts/misdirected')).toEqual({ outcome: 'not_found' })
  })

  test('a connection that is refused was no request, and had no effect', async () => {
    const nobody = createServer().listen(0, '127.0.0.1')
    await once(nobody, 'listening')
    const { port } = nobody.address() as AddressInfo
    await new Promise((closed) => nobody.close(closed))
    const alone = bench.open(`http://127.0.0.1:${port}`)
    const put = await alone.put('attempts/refused', bytesOf('new'), 'doesNotExist')
    const cause = { code: 'unavailable', message: expect.stringContaining('ECONNREFUSED') }
    expect(put).toMatchObject({ ...NO_EFFECT, cause })
    await expect(alone.get('attempts/refused')).rejects.toMatchObject(cause)
  })

  test('a host that does not exist was no request, and had no effect', async () => {
    const alone = bench.open('http://tidemark.invalid')
    const put = await alone.put('attempts/refused', bytesOf('new'), 'doesNotExist')
    expect(put).toMatchObject({ ...NO_EFFECT, cause: { code: 'unavailable' } })
  })
})

/** As the cases write it: tokens differ from store to store, messages are for people. */
function told(came: unknown): unknown {
  if (came instanceof StoreError) return { code: came.code }
  const is_ok = typeof came === 'object' && came !== null && 'outcome' in came && came.outcome === 'ok'
  return is_ok ? OK : came
}
