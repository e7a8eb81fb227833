/** Ids and paths of the ledger against what the reference makes of them (spec/events.md 4 and 7, spec/fold.md 4.10, 8.1). */
import { describe, expect, test } from 'vitest'
import { formatInstant, fromSeconds } from '../../../lib/protocol/orchestration/events/instant.ts'
import {
  attemptId,
  cloudTaskId,
  dispatchId,
  parseTimerId,
  runIdsUnder,
} from '../../../lib/protocol/orchestration/ids.ts'
import { eventIdOfPath, eventPath } from '../../../lib/protocol/orchestration/paths.ts'
import { parseInstant } from '../../../lib/protocol/orchestration/events/instant.ts'
import { cpuTime_ms } from '../../support/cpu-time.ts'
import { readVector } from '../../support/vectors.ts'

interface TimerVector {
  readonly id: string
  readonly parsed: { a: number | null; e: number; k: string | null; r: string | null; t: string } | null
}

interface RunIdVector {
  readonly tenant: string
  readonly workspace: string
  readonly run_key: string
  readonly secret: string
  readonly run_id: string
}

const vectors = readVector('ids.json') as unknown as {
  readonly event_id_from_path: readonly { path: string; event_id: string | null }[]
  readonly timer_id: readonly TimerVector[]
  readonly run_id: readonly RunIdVector[]
}

const TYPES: Readonly<Record<string, string>> = {
  Retry: 'RETRY',
  HeartbeatCheck: 'HEARTBEAT_CHECK',
  Cron: 'CRON',
  SlaCheck: 'SLA_CHECK',
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('paths', () => {
  test('events.md 4.3: the id in a path is the one of the golden vectors', () => {
    expect(vectors.event_id_from_path).toHaveLength(13)
    for (const { path, event_id } of vectors.event_id_from_path)
      expect([path, eventIdOfPath(path)]).toEqual([path, event_id])
  })

  test.each([
    ['2026-01-01/01KDVDNP1S0000000000000007.json', '01KDVDNP1S0000000000000007'],
    ['9999-99-99/x.json', 'x'],
    ['2026-01-01/a.json.json', 'a.json'],
    ['2026-01-01/a b.json', 'a b'],
    ['2026-01-01/..json', '.'],
    ['2026-01-01/.json.json', '.json'],
    ['2026-01-01/a\n.json', 'a\n'],
    ['2026-01-01/', null],
    ['2026-01-01/.json', null],
    ['2026-01-01/event.txt', null],
    ['2026-01-01/a.JSON', null],
    ['2026-01-01/a.json\n', null],
    ['2026-01-01/sub/a.json', null],
    ['2026-01-01/a.json/', null],
    ['2026-1-01/a.json', null],
    ['+10889-08-02/a.json', null],
    ['２026-01-01/a.json', null],
    ['/2026-01-01/a.json', null],
  ])('events.md 4.3: %j holds %j', (path, event_id) => {
    expect(eventIdOfPath(`ledger/orchestration/${path}`)).toBe(event_id)
  })

  test.each([
    ['01KDVDNP1S0000000000000007', '1970-01-01T00:00:00Z', '2026-01-01/01KDVDNP1S0000000000000007.json'],
    ['evt_01', '2026-02-03T23:30:00-02:00', '2026-02-04/evt_01.json'],
    ['evt_01', '1969-12-31T23:59:59.999999999Z', '1969-12-31/evt_01.json'],
    ['7ZZZZZZZZZZZZZZZZZZZZZZZZZ', '2026-01-01T00:00:00Z', '+10889-08-02/7ZZZZZZZZZZZZZZZZZZZZZZZZZ.json'],
  ])('events.md 4.2: %s of %s is at %s', (event_id, text, path) => {
    const timestamp = parseInstant(text)
    if (timestamp === null) throw new Error('expected a timestamp')
    expect(eventPath({ event_id, timestamp })).toBe(`ledger/orchestration/${path}`)
  })
})

describe('timer ids', () => {
  test('fold.md 4.10: they say what the golden vectors say', () => {
    expect(vectors.timer_id).toHaveLength(14)
    for (const { id, parsed } of vectors.timer_id) {
      const expected =
        parsed === null
          ? null
          : {
              timer_type: TYPES[parsed.t],
              run_id: parsed.r,
              task_key: parsed.k,
              attempt: parsed.a,
              // The vectors went through a reader that rounds; this id is the only one beyond 2^53.
              epoch_s: id.endsWith('99999999999999999') ? 99_999_999_999_999_999n : BigInt(parsed.e),
            }
      expect([id, parseTimerId(id)]).toEqual([id, expected])
    }
  })

  test.each([
    ['timer:heartbeat:r:t:2:-5', ['HEARTBEAT_CHECK', 'r', 't', 2, -5n]],
    ['timer:cron:s:+5', ['CRON', null, null, null, 5n]],
    ['timer:cron:5', ['CRON', null, null, null, 5n]],
    ['timer:cron:a:b:c:9', ['CRON', null, null, null, 9n]],
    ['timer:retry:r:t:1', ['RETRY', 'r', 't', 1, 1n]],
    ['timer:retry:r:t:1:x:9', ['RETRY', 'r', 't', 1, 9n]],
    ['timer:retry:r:t:+4294967295:9', ['RETRY', 'r', 't', 4_294_967_295, 9n]],
    ['timer:sla:r:t:0001:00009', ['SLA_CHECK', 'r', 't', 1, 9n]],
    ['timer:cron:-9223372036854775808', ['CRON', null, null, null, -(2n ** 63n)]],
    [`timer:cron:+${'0'.repeat(40)}9223372036854775807`, ['CRON', null, null, null, 2n ** 63n - 1n]],
  ])('fold.md 4.10: %s is a timer', (id, expected) => {
    const parsed = parseTimerId(id)
    expect(parsed === null ? null : Object.values(parsed)).toEqual(expected)
  })

  test.each([
    'timer:retry:r:a:b:1:9',
    'timer:heartbeat_check:r:t:1:9',
    'timer:retry:r:t:4294967296:9',
    'timer:retry:r:t:-1:9',
    'timer:retry:r:t::9',
    'timer:retry:r:t',
    'timer:cron:s:',
    'timer:cron',
    'timer:cron:+-5',
    'timer:cron:+',
    'timer:cron: 5',
    'timer:cron:５',
    'timer:cron:9223372036854775808',
    'timer:cron:-9223372036854775809',
    'Timer:cron:5',
    'timer:constructor:5',
    '',
  ])('fold.md 4.10: %j is none', (id) => {
    expect(parseTimerId(id)).toBeNull()
  })

  test('fold.md 4.10: the first and last representable seconds, and those beyond', () => {
    const texts = [-8_334_601_228_801n, -8_334_601_228_800n, 8_210_266_876_799n, 8_210_266_876_800n].map(
      (epoch_s) => fromSeconds(epoch_s),
    )
    expect(texts.map((instant) => (instant === null ? null : formatInstant(instant)))).toEqual([
      null,
      '-262143-01-01T00:00:00Z',
      '+262142-12-31T23:59:59Z',
      null,
    ])
  })
})

describe('run ids', () => {
  const run_ids: readonly RunIdVector[] = vectors.run_id

  test('fold.md 8.1: they are those of the golden vectors', () => {
    expect(run_ids).toHaveLength(6)
    for (const { secret, tenant, workspace, run_key, run_id } of run_ids)
      expect(runIdsUnder(bytesOf(secret))(tenant, workspace, run_key)).toBe(run_id)
  })

  const orchestration = bytesOf('orchestration-secret')
  test.each([
    [new Uint8Array(), 'acme', 'prod', 'sched:nightly:1767225600', 'run_trr3pmtrpqwjim7ko4f3q2hm6m'],
    [orchestration, 'acme', 'prod', 'sched:nightly:1767225601', 'run_cspryykmouv7kfafa63qgnk7j4'],
    [orchestration, 'acme', 'dev', 'sched:nightly:1767225600', 'run_2tjljuhy543dfavqoxcch2hrdy'],
    [new Uint8Array(), 'a:b', 'c', 'k', 'run_cbdwrxxi3auy4ucddliix4snxi'],
    [Uint8Array.of(0, 0xff), 'acme', 'prod', '日本', 'run_gg2s6q6d76clrpjmeq6w6vicmm'],
    [new Uint8Array(65).fill(0x78), 'acme', 'prod', 'k', 'run_tbhnxlhx6iqgmm2uagzungzdse'],
  ])('fold.md 8.1: secret %j, %s, %s, %s', (secret, tenant, workspace, run_key, run_id) => {
    expect(runIdsUnder(secret)(tenant, workspace, run_key)).toBe(run_id)
  })
})

describe('ids of dispatches, attempts and cloud tasks', () => {
  const dispatch = 'dispatch:run-2026-001:extract:1'

  test('events.md 7: the worked values', () => {
    expect(dispatchId('run-2026-001', 'extract', 1)).toBe(dispatch)
    expect(attemptId(dispatch)).toBe('att_510b95763ac0a08c9b3b26da')
    expect(cloudTaskId('d', dispatch)).toBe('d_wwhbcjvfsjkgbdp4vj5xsdz4x7')
    expect(cloudTaskId('t', 'timer:retry:run-2026-001:extract:1:1767225660')).toBe(
      't_urgoqyaeycf67xzqu3ivn4oyqr',
    )
  })
})

test('S18 hostile ids take linear time', () => {
  const texts = ['0', ':', 'timer:', '-', '+0', 'a/'].map((unit) => unit.repeat(204_800 / unit.length))
  for (const text of texts) {
    expect(cpuTime_ms(() => void parseTimerId(text))).toBeLessThan(250)
    expect(cpuTime_ms(() => void parseTimerId(`timer:cron:${text}`))).toBeLessThan(250)
    expect(cpuTime_ms(() => void eventIdOfPath(`ledger/orchestration/2026-01-01/${text}`))).toBeLessThan(250)
  }
})
