import { describe, expect, test } from 'vitest'
import { dyingAfter, WINDOWS, type Window } from '../../support/crash-windows.ts'
import {
  mixedTable,
  PROCESSES,
  type MixedAnswer,
  type MixedTable,
  type Process,
  type StagedRequest,
} from '../../support/mixed-table.ts'

/** Who left the commit half done: one of both systems, or Tidemark with its additive members dropped since (R23). */
const LEAVERS = ['arco library', 'tidemark', 'tidemark, rewritten by arco'] as const

/** Who asks next: the key itself, or another writer that has seen n or v = n + 1. */
const ASKERS = ['same key', 'other key, read_version n', 'other key, read_version v'] as const

const TIMES = ['before the TTL', 'after the TTL'] as const

interface Case {
  /** Versions in the table before the crash. */
  readonly depth: number
  readonly tokens: 'content' | 'counter'
  readonly window: Window
  readonly leaver: (typeof LEAVERS)[number]
  readonly finisher: Process
  readonly asker: (typeof ASKERS)[number]
  readonly time: (typeof TIMES)[number]
}

/** An empty table on an ETag store, and one with history on a store of generations. */
const SHAPES = [
  { depth: 0, tokens: 'content' },
  { depth: 2, tokens: 'counter' },
] as const

const CASES: readonly Case[] = SHAPES.flatMap((shape) =>
  WINDOWS.flatMap((window) =>
    LEAVERS.flatMap((leaver) =>
      PROCESSES.flatMap((finisher) =>
        ASKERS.flatMap((asker) => TIMES.map((time) => ({ ...shape, window, leaver, finisher, asker, time }))),
      ),
    ),
  ),
)

/** spec/coordinator.md 7.2 and 7.3; it does not matter which system left the commit and which one answers. */
function answerOf({ window, asker, time }: Case, v: number): MixedAnswer {
  const is_free = window === 'W0'
  const is_busy = window === 'W1' && time === 'before the TTL'
  switch (asker) {
    case 'same key':
      return { version: v }
    case 'other key, read_version n':
      if (is_busy) return { refused: 'reserved' }
      return is_free ? { version: v } : { refused: 'stale' }
    case 'other key, read_version v':
      if (is_busy) return { refused: 'reserved' }
      return is_free ? { refused: 'stale' } : { version: v + 1 }
  }
}

interface Acked {
  readonly request: StagedRequest
  readonly version: number
}

/** Commit `count` versions, old and new in turns; every one must be answered with the next version. */
async function alternate(table: MixedTable, from: number, count: number): Promise<Acked[]> {
  const acked: Acked[] = []
  for (let index = 0; index < count; index++) {
    table.clock.advance(1_000)
    const request = await table.request(from + index - 1)
    const process = PROCESSES[index % PROCESSES.length] ?? 'tidemark'
    expect(await table.commit(process, request)).toEqual({ version: from + index })
    acked.push({ request, version: from + index })
  }
  return acked
}

/** Every acknowledged commit is in the log under its version, and old and new say so again (C1, C7, G-2). */
async function expectDurable(table: MixedTable, acked: readonly Acked[]): Promise<void> {
  for (const { request, version } of acked) {
    expect(table.logText(version)).toBe(request.payload)
    for (const process of ['arco library', 'tidemark'] as const) {
      expect(await table.commit(process, request)).toEqual({ version })
    }
  }
}

/** The process dies after as many writes as the window says; what it would have answered is lost. */
async function leave(table: MixedTable, { window, leaver }: Case, pending: StagedRequest): Promise<void> {
  const process = leaver === 'arco library' ? leaver : 'tidemark'
  const puts = WINDOWS.indexOf(window)
  await table.commit(process, pending, { wrap: dyingAfter(puts) }).catch(() => undefined)
}

async function play(at: Case): Promise<void> {
  const { depth, tokens, window, finisher, asker, time, leaver } = at
  const table = mixedTable(tokens)
  const acked = await alternate(table, 0, depth)

  const v = depth
  const pending = await table.request(v - 1)
  await leave(table, at, pending)
  if (leaver === 'tidemark, rewritten by arco') table.rewriteByArco()

  const other = await table.request(asker === 'other key, read_version v' ? v : v - 1)
  const asked = asker === 'same key' ? pending : other
  table.clock.advance(time === 'before the TTL' ? 20_000 : 301_000)
  const answer = await table.commit(finisher, asked)
  expect(answer).toEqual(answerOf(at, v))
  table.readAllAsArco()
  if ('version' in answer) acked.push({ request: asked, version: answer.version })

  // Past the TTL nothing is in the way of anybody, whatever is still reserved (C14).
  table.clock.advance(301_000)
  const replayed = await table.commit('tidemark', pending)
  const is_taken = window === 'W0' && asker === 'other key, read_version n'
  expect(replayed).toEqual(is_taken ? { refused: 'stale' } : { version: v })
  if (!is_taken) acked.push({ request: pending, version: v })

  const next = 1 + Math.max(...acked.map(({ version }) => version))
  acked.push(...(await alternate(table, next, 3)))
  await expectDurable(table, acked)
  table.readAllAsArco()
  expect(table.state()).toEqual({ latest_version: next + 2, inflight: null })
  const versions = Array.from({ length: next + 3 }, (_, version) => version)
  expect(versions.filter((version) => table.logText(version) === null)).toEqual([])
}

test('F15 every window, leaver, finisher, asker, time and shape of table is played', () => {
  expect(CASES).toHaveLength(2 * 5 * 3 * 3 * 3 * 2)
})

describe.each(WINDOWS)('F15 old and new processes on one table, %s', (window) => {
  describe.each(LEAVERS)('left by %s', (leaver) => {
    test.each(PROCESSES)(
      'finished by %s: one answer for all (coordinator.md 7.2, 7.3, 15)',
      async (finisher) => {
        const cases = CASES.filter(
          (at) => at.window === window && at.leaver === leaver && at.finisher === finisher,
        )
        expect(cases).toHaveLength(12)
        for (const at of cases) await play(at)
      },
    )
  })
})
