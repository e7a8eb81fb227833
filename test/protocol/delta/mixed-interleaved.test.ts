import { describe, expect, test } from 'vitest'
import type { MaintenanceStore } from '../../../lib/store/types.ts'
import { WRITES, type Write } from '../../support/crash-windows.ts'
import { mixedTable, type MixedAnswer, type Process } from '../../support/mixed-table.ts'

/** What the other system does while a process stands in front of one of its four writes. */
const MEANWHILE = ['same key', 'other key, read_version n', 'other key, read_version v'] as const
type Meanwhile = (typeof MEANWHILE)[number]

const TIMES = ['before the TTL', 'after the TTL'] as const
type Time = (typeof TIMES)[number]

/** n and v of every case: two versions are in the table. */
const N = 1
const V = 2

const STALE: MixedAnswer = { refused: 'stale' }
const RESERVED: MixedAnswer = { refused: 'reserved' }

/** What the process that came in between is told. */
function meanwhileAnswer(write: Write, meanwhile: Meanwhile, time: Time): MixedAnswer {
  if (meanwhile === 'same key') return { version: V }
  const has_read_v = meanwhile === 'other key, read_version v'
  switch (write) {
    case 'reserve':
      return has_read_v ? STALE : { version: V }
    case 'log':
      if (time === 'before the TTL') return RESERVED
      return has_read_v ? { version: V + 1 } : STALE
    case 'marker':
    case 'finalize':
      return has_read_v ? { version: V + 1 } : STALE
  }
}

/** What Tidemark is told when it goes on: its version, unless another key took it before it reserved. */
function tidemarkAnswer(write: Write, meanwhile: Meanwhile): MixedAnswer {
  return write === 'reserve' && meanwhile === 'other key, read_version n' ? STALE : { version: V }
}

/** The same for Arco, which does not look at the marker again and so denies its own commit (D-11). */
function arcoAnswer(write: Write, meanwhile: Meanwhile): MixedAnswer {
  const is_denied = write === 'reserve' && meanwhile === 'same key'
  return is_denied ? STALE : tidemarkAnswer(write, meanwhile)
}

/** Something that happens once, right before the `index`-th put of a process reaches the bucket. */
function before(index: number, happen: () => Promise<void>): (store: MaintenanceStore) => MaintenanceStore {
  return (store) => {
    let seen = 0
    return {
      ...store,
      async put(key, bytes, precondition, options) {
        seen += 1
        if (seen === index + 1) await happen()
        return store.put(key, bytes, precondition, options)
      },
    }
  }
}

interface Case {
  readonly write: Write
  readonly meanwhile: Meanwhile
  readonly time: Time
}

const CASES: readonly Case[] = WRITES.flatMap((write) =>
  MEANWHILE.flatMap((meanwhile) => TIMES.map((time) => ({ write, meanwhile, time }))),
)

/** Hold `held` before a write, let `other` serve a request to its end, let `held` go on. */
async function interleave(
  { write, meanwhile, time }: Case,
  {
    tokens,
    held,
    other,
  }: { readonly tokens: 'content' | 'counter'; readonly held: Process; readonly other: Process },
): Promise<{ readonly meanwhile: MixedAnswer; readonly held: MixedAnswer }> {
  const table = mixedTable(tokens)
  for (const [read_version, process] of [
    [-1, held],
    [0, other],
  ] as const) {
    expect(await table.commit(process, await table.request(read_version))).toEqual({
      version: read_version + 1,
    })
  }
  const own = await table.request(N)
  const another = await table.request(meanwhile === 'other key, read_version v' ? V : N)
  let seen: MixedAnswer = { refused: 'nothing came in between' }
  const answer = await table.commit(held, own, {
    wrap: before(WRITES.indexOf(write), async () => {
      // Nobody's clock is right: a process whose clock is ahead takes over early, and nothing breaks (CK-1).
      const ahead_ms = time === 'after the TTL' ? 301_000 : 0
      seen = await table.commit(other, meanwhile === 'same key' ? own : another, { ahead_ms })
    }),
  })

  // Whatever either was told: the next replay through Tidemark tells the truth (C11), and the bucket is whole (C4).
  const is_lost = write === 'reserve' && meanwhile === 'other key, read_version n'
  expect(await table.commit('tidemark', own)).toEqual(is_lost ? STALE : { version: V })
  expect(table.logText(V)).toBe(is_lost ? another.payload : own.payload)
  const { latest_version, inflight } = table.state() ?? { latest_version: -1, inflight: null }
  expect([latest_version, inflight]).toEqual(['version' in seen ? seen.version : V, null])
  expect(table.logText(latest_version)).not.toBeNull()
  expect(table.logText(latest_version + 1)).toBeNull()
  table.readAllAsArco()
  return { meanwhile: seen, held: answer }
}

describe.each(['content', 'counter'] as const)('F15 between two writes, %s tokens', (tokens) => {
  test.each(CASES)('Arco comes before the $write of Tidemark: $meanwhile, $time', async (at) => {
    const answers = await interleave(at, { tokens, held: 'tidemark', other: 'arco library' })
    expect(answers).toEqual({
      meanwhile: meanwhileAnswer(at.write, at.meanwhile, at.time),
      held: tidemarkAnswer(at.write, at.meanwhile),
    })
  })

  test.each(CASES)('Tidemark comes before the $write of Arco: $meanwhile, $time', async (at) => {
    const answers = await interleave(at, { tokens, held: 'arco library', other: 'tidemark' })
    expect(answers).toEqual({
      meanwhile: meanwhileAnswer(at.write, at.meanwhile, at.time),
      held: arcoAnswer(at.write, at.meanwhile),
    })
  })
})
