/**
 * `verify`: the coordinator's own objects (spec/coordinator.md 7.1 and 10, correctness.md C4, C6, C10). For each planted
 * fault: the first finding names it, what it says to do resolves it, and then nothing is found.
 */
import { describe, expect, test } from 'vitest'
import type { MaintenanceStore } from '../../../lib/store/types.ts'
import type { Finding } from '../../../lib/protocol/maintenance/finding.ts'
import { TABLE_ID } from '../../support/commit-world.ts'
import { dyingAfter } from '../../support/crash-windows.ts'
import { sha256Hex, testService } from '../../support/service.ts'
import { TTL_MS } from '../../support/tables.ts'
import { lookAt, told } from '../../support/verify.ts'
import { verifiedTable, type Made, type VerifiedTable } from '../../support/verified-table.ts'

const DAY_MS = 24 * 3_600_000

/** Stop the commit of version 3 after some of its puts: 1 is W1, 2 is W2, 3 is W3. */
async function crash(table: VerifiedTable, puts: number): Promise<Made> {
  const made = await table.writer(2)
  const dying = testService(dyingAfter(puts)(table.store), { clock: table.clock })
  const { status } = await dying.commit(made.call)
  if (status !== 503) throw new Error(`expected a crash, got ${status}`)
  return made
}

/** Do what a finding says: wait, then send the request. */
async function follow(table: VerifiedTable, { next }: Finding): Promise<void> {
  const [, at, path = '', body = ''] = /^(?:Wait until (\S+), then )?POST (\S+) (\{.*\})/.exec(next) ?? []
  if (path === '') throw new Error(`expected a request, got ${next}`)
  if (at !== undefined) table.clock.now_ms = Date.parse(at)
  const { status, body: answer } = await table.service.request('POST', path, JSON.parse(body))
  expect([status, answer]).toEqual([200, answer])
}

/** What is planted, what its first finding is, and how it is resolved: by its own request unless told. */
interface Fault {
  readonly name: string
  readonly first: string
  readonly plant: (table: VerifiedTable) => Promise<unknown> | void
  readonly resolve?: (table: VerifiedTable, planted: unknown) => Promise<unknown> | void
}

const EXPIRE = (table: VerifiedTable): void => table.clock.advance(TTL_MS)

const FAULTS: readonly Fault[] = [
  { name: 'W1 before the TTL', first: 'TM-201 info', plant: async (t) => crash(t, 1) },
  {
    name: 'W1 after the TTL',
    first: 'TM-201 warn',
    plant: async (t) => {
      await crash(t, 1)
      EXPIRE(t)
    },
  },
  { name: 'W2', first: 'TM-202 info', plant: async (t) => crash(t, 2) },
  {
    name: 'W2 after the TTL',
    first: 'TM-202 warn',
    plant: async (t) => {
      await crash(t, 2)
      EXPIRE(t)
    },
  },
  { name: 'W3', first: 'TM-203 info', plant: async (t) => crash(t, 3) },
  {
    name: 'W3 after the TTL',
    first: 'TM-203 warn',
    plant: async (t) => {
      await crash(t, 3)
      EXPIRE(t)
    },
  },
  {
    name: 'W1, and its payload is gone',
    first: 'TM-206 warn',
    plant: async (t) => t.remove((await crash(t, 1)).call.staged_path),
  },
  {
    name: 'W1, and somebody else took the version',
    first: 'TM-204 warn',
    plant: async (t) => {
      await crash(t, 1)
      t.write(t.logPath(3), '{"commitInfo":{"operation":"WRITE"}}\n')
    },
  },
  {
    name: 'a ghost: a key that was committed is reserved again',
    first: 'TM-205 warn',
    plant: async (t) => {
      await crash(t, 1)
      t.setState((state) => void (state['inflight'].commit_id = t.made[0]?.call.idempotency_key))
    },
  },
  {
    name: 'a future expires_at_ms, and the store tells its time',
    first: 'TM-207 warn',
    plant: async (t) => {
      await crash(t, 1)
      t.setState((state) => void (state['inflight'].expires_at_ms += 365 * DAY_MS))
      EXPIRE(t)
    },
  },
  {
    name: 'a legacy reservation, written, its payload gone',
    first: 'TM-208 warn',
    plant: async (t) => {
      const { call } = await crash(t, 2)
      const text = t.read(t.logPath(3)) ?? ''
      t.remove(call.staged_path)
      // Written by a process that keeps no owner metadata.
      t.write(t.logPath(3), text)
      t.setState((state) => {
        for (const member of ['payload_sha256', 'delta_log_path', 'nonce']) delete state['inflight'][member]
      })
    },
  },
  {
    name: 'a reservation of a finalized version',
    first: 'TM-209 warn',
    plant: async (t) => {
      await crash(t, 1)
      t.setState((state) => Object.assign(state['inflight'], { version: 2, delta_log_path: t.logPath(2) }))
      EXPIRE(t)
    },
  },
  {
    name: 'the log is ahead of the state',
    first: 'TM-105 warn',
    plant: (t) => t.write(t.logPath(3), '{"commitInfo":{"operation":"WRITE"}}\n'),
  },
  {
    name: 'the state was put back',
    first: 'TM-105 warn',
    plant: (t) => t.write(t.state_path, '{"latest_version":0,"inflight":null}'),
  },
  {
    name: 'the state is lost',
    first: 'TM-103 warn',
    plant: (t) => t.remove(t.state_path),
    resolve: async (t) => t.commit(2),
  },
  {
    name: 'the state is no JSON',
    first: 'TM-101 error',
    plant: (t) => t.write(t.state_path, '{"latest_version":2,'),
    resolve: async (t) => {
      t.remove(t.state_path)
      await t.commit(2)
    },
  },
  {
    name: 'the reservation skips a version',
    first: 'TM-102 error',
    plant: async (t) => {
      await crash(t, 1)
      t.setState((state) => Object.assign(state['inflight'], { version: 7, delta_log_path: t.logPath(7) }))
    },
    resolve: async (t) => {
      t.remove(t.state_path)
      await t.commit(2)
    },
  },
  {
    name: 'the latest entry is gone',
    first: 'TM-104 error',
    plant: (t) => {
      const text = t.read(t.logPath(2))
      t.remove(t.logPath(2))
      return Promise.resolve(text)
    },
    resolve: (t, text) => t.write(t.logPath(2), String(text)),
  },
  {
    name: 'an entry was overwritten',
    first: 'DL-502 error',
    plant: (t) => {
      const text = t.read(t.logPath(1))
      t.write(t.logPath(1), '{"commitInfo":{"operation":"OTHER"}}\n')
      return Promise.resolve(text)
    },
    resolve: (t, text) => t.write(t.logPath(1), String(text)),
  },
  {
    name: 'the latest entry was overwritten',
    first: 'DL-502 error',
    plant: (t) => {
      const text = t.read(t.logPath(2))
      t.write(t.logPath(2), '{"commitInfo":{"operation":"OTHER"}}\n')
      return Promise.resolve(text)
    },
    resolve: (t, text) => t.write(t.logPath(2), String(text)),
  },
  {
    name: 'the last commit lies below another root',
    first: 'TM-106 error',
    plant: (t) => {
      t.setState(
        (state) =>
          void (state['last_commit'].delta_log_path = state['last_commit'].delta_log_path.replace(
            'tables/',
            'elsewhere/',
          )),
      )
    },
    resolve: (t) => t.setState((state) => void (state['last_commit'].delta_log_path = t.logPath(2))),
  },
  {
    name: 'the marker of the last commit is gone',
    first: 'TM-402 warn',
    plant: (t) => t.remove(t.markerPath(last(t))),
  },
  {
    name: 'the marker of an earlier commit is gone',
    first: 'TM-402 warn',
    plant: (t) => t.remove(t.markerPath(first(t))),
    resolve: async (t) => t.service.commit(first(t).call),
  },
  {
    name: 'a marker that does not parse',
    first: 'TM-401 error',
    plant: (t) => {
      const path = t.markerPath(first(t))
      const text = t.read(path)
      t.write(path, '{')
      return Promise.resolve(text)
    },
    resolve: (t, text) => t.write(t.markerPath(first(t)), String(text)),
  },
  {
    name: 'a marker with a version that is none',
    first: 'TM-401 error',
    plant: (t) => {
      const path = t.markerPath(first(t))
      const text = t.read(path)
      t.write(path, String(text).replace('"version":0', '"version":-1'))
      return Promise.resolve(text)
    },
    resolve: (t, text) => t.write(t.markerPath(first(t)), String(text)),
  },
  {
    name: 'a marker under the hash of another key',
    first: 'TM-404 error',
    plant: (t) => t.write(wrongMarkerPath(), t.read(t.markerPath(first(t))) ?? ''),
    resolve: (t) => t.remove(wrongMarkerPath()),
  },
  {
    name: 'an entry in the middle is gone',
    first: 'DL-501 error',
    plant: (t) => {
      const text = t.read(t.logPath(1))
      t.remove(t.logPath(1))
      return Promise.resolve(text)
    },
    resolve: (t, text) => t.write(t.logPath(1), String(text)),
  },
  {
    name: 'a staged object that no request can name',
    first: 'TM-502 warn',
    plant: (t) => t.write(`delta/staging/${TABLE_ID}/notes.txt`, 'x'),
    resolve: (t) => t.remove(`delta/staging/${TABLE_ID}/notes.txt`),
  },
  {
    name: 'staged payloads that nobody collects',
    first: 'TM-501 info',
    plant: (t) => t.clock.advance(9 * DAY_MS),
    resolve: (t) => {
      for (const { call } of t.made) t.remove(call.staged_path)
    },
  },
]

function first({ made: [one] }: VerifiedTable): Made {
  if (one === undefined) throw new Error('no commit')
  return one
}

function last({ made }: VerifiedTable): Made {
  const one = made.at(-1)
  if (one === undefined) throw new Error('no commit')
  return one
}

function wrongMarkerPath(): string {
  const hash = sha256Hex('another key')
  return `delta/idempotency/${TABLE_ID}/${hash.slice(0, 2)}/${hash}.json`
}

describe.each(FAULTS)('$name', ({ first: expected, plant, resolve }) => {
  test(`${expected} comes first, what it says resolves it, and then nothing is found`, async () => {
    const table = await verifiedTable()
    const planted = await plant(table)
    const { findings } = await table.look()
    const [worst] = findings
    if (worst === undefined) throw new Error('nothing was found')
    expect(`${worst.rule} ${worst.severity}`).toBe(expected)
    if (resolve === undefined) await follow(table, worst)
    else await resolve(table, planted)
    expect(told((await table.look()).findings)).toEqual([])
  })
})

describe('what is found beside the first', () => {
  test('the latest entry is gone: the state, its last commit and its marker all promised it', async () => {
    const table = await verifiedTable()
    table.remove(table.logPath(2))
    expect(told((await table.look()).findings)).toEqual(['TM-104 error', 'TM-107 error', 'TM-403 error'])
  })

  test('the state was put back: a marker is above it', async () => {
    const table = await verifiedTable()
    table.write(table.state_path, '{"latest_version":0,"inflight":null}')
    expect(told((await table.look()).findings)).toEqual(['TM-105 warn', 'TM-405 warn'])
  })

  test('the marker of the last commit is gone: one finding, with the request that writes it again', async () => {
    const table = await verifiedTable()
    table.remove(table.markerPath(last(table)))
    const { findings } = await table.look()
    expect(findings.map(({ rule, next }) => [rule, next.split(' ')[0]])).toEqual([['TM-402', 'POST']])
  })

  test('a finding about many objects is listed a few times and counted', async () => {
    const table = await verifiedTable()
    for (let version = 3; version < 12; version += 1) await table.commit(version - 1)
    const { findings } = await table.look({ deep: true })
    expect(findings.map(({ rule }) => rule)).toEqual(Array.from({ length: 5 }, () => 'DL-1120'))
    expect(findings.at(-1)?.detail).toMatch(/ \(and 6 more like this\)$/)
  })
})

describe('what is no fault', () => {
  test.each([true, false])('a table at rest, with and without owner metadata: %s', async (meta) => {
    const table = await verifiedTable({ meta })
    expect((await table.look()).findings).toEqual([])
  })

  test('W0: a payload that was staged and never sent', async () => {
    const table = await verifiedTable()
    await table.writer(2)
    expect((await table.look()).findings).toEqual([])
  })

  test('a table that another system wrote: nothing of the coordinator is missing', async () => {
    const table = await verifiedTable({ meta: false })
    table.remove(table.state_path)
    for (const made of table.made) table.remove(table.markerPath(made))
    expect((await table.look()).findings).toEqual([])
  })

  test('a commit that goes on between two reads of the look', async () => {
    const table = await verifiedTable()
    const racing: MaintenanceStore = {
      ...table.store,
      async listPage(request, options) {
        const page = await table.store.listPage(request, options)
        if (request.prefix.endsWith('_delta_log/')) await table.commit(2)
        return page
      },
    }
    const { findings } = await lookAt(racing, { now_ms: table.clock.now_ms })
    expect(findings).toEqual([])
  })
})

test('TM-301: no version was ever committed', async () => {
  const table = await verifiedTable()
  const { findings } = await table.look({ table_id: '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c99' })
  expect(told(findings)).toEqual(['TM-301 warn'])
})

test('a table of 40 versions in pages of a few objects: the same findings, each once', async () => {
  const table = await verifiedTable()
  for (let version = 3; version < 40; version += 1) await table.commit(version - 1)
  table.write(table.logPath(7), 'spoilt')
  table.remove(table.markerPath(first(table)))
  const whole = await table.look()
  const paged = await table.look({ limit: 7 })
  expect(whole.pages).toHaveLength(1)
  expect(paged.pages.length).toBeGreaterThan(10)
  const order = (findings: readonly Finding[]): string[] =>
    findings.map(({ rule, version, detail }) => `${rule} ${version} ${detail}`).toSorted()
  expect(order(paged.findings)).toEqual(order(whole.findings))
})
