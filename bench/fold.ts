/**
 * How fast events are decoded and folded, and what a task row costs in memory (issue 5). Nothing but the fold: decoded
 * events, in memory, one thread. Rates are of this thread's CPU time, so that a busy machine does not count; the wall
 * clock is printed beside them.
 *
 * `npm run bench:fold` prints a table; it fails when a figure is missed.
 */
import { availableParallelism } from 'node:os'
import { decodeEvent, EventError } from '../lib/protocol/orchestration/events/decode.ts'
import { encodeEvent } from '../lib/protocol/orchestration/events/encode.ts'
import type { LedgerEvent } from '../lib/protocol/orchestration/events/kinds.ts'
import { fold } from '../lib/protocol/orchestration/fold/fold.ts'
import { loadState, takeDelta } from '../lib/protocol/orchestration/fold/layers.ts'
import type { FoldState } from '../lib/protocol/orchestration/fold/state.ts'
import { ledgerOf } from './ledger.ts'

/** Texts that mean harm, of a size in characters (correctness.md S14). */
const HOSTILE: readonly (readonly [what: string, textOf: (size: number) => string])[] = [
  ['nested arrays', (size) => '['.repeat(size)],
  ['an array of objects', (size) => `[${'{},'.repeat(size / 3)}{}]`],
  ['a repeated member', (size) => `{${'"event_id":1,'.repeat(size / 13)}"x":1}`],
  ['a long string', (size) => `{"timestamp":"${'x'.repeat(size)}"}`],
  ['a number of many digits', (size) => `{"event_version":${'9'.repeat(size)}}`],
  ['escapes', (size) => `"${String.raw`\u00e9`.repeat(size / 6)}"`],
]

/** Events that a rate is measured over, at least. */
const EVENTS_MIN = 500_000

/** A long string is decoded in less time than the clock of a thread can tell. */
const DECODES = 20

interface Rate {
  readonly per_cpu_second: number
  readonly per_second: number
}

/** Best of several rounds over at least `EVENTS_MIN` events: the others were disturbed. */
function rateOf(events: number, work: () => unknown): Rate {
  const rounds = Math.max(1, Math.ceil(EVENTS_MIN / events))
  const rates = Array.from({ length: 5 }, () => {
    globalThis.gc?.()
    const cpu = process.threadCpuUsage()
    const started_ms = performance.now()
    for (let round = 0; round < rounds; round += 1) work()
    const used = process.threadCpuUsage(cpu)
    const elapsed_ms = performance.now() - started_ms
    return {
      per_cpu_second: (events * rounds * 1e6) / (used.user + used.system),
      per_second: (events * rounds * 1e3) / elapsed_ms,
    }
  })
  return (
    rates.toSorted((a, b) => b.per_cpu_second - a.per_cpu_second)[0] ?? { per_cpu_second: 0, per_second: 0 }
  )
}

function freshState(): FoldState {
  return loadState({ tenant_secret: new Uint8Array(), terminal_run_days: 90 })
}

function foldAll(events: readonly LedgerEvent[]): FoldState {
  const state = freshState()
  for (const event of events) fold(state, event)
  return state
}

function heapOf(make: () => FoldState): { bytes: number; state: FoldState } {
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  const state = make()
  globalThis.gc?.()
  return { bytes: process.memoryUsage().heapUsed - before, state }
}

const thousands = (value: number): string => Math.round(value).toLocaleString('en')

/** What Arco's own fold and decoder were measured at, events/s (issue 5); of the fold by tasks in the state. */
const ARCO: ReadonlyMap<number, number> = new Map([
  [1_000, 55_000],
  [10_000, 14_600],
  [100_000, 405],
])
const ARCO_DECODE = 200_000

function line(what: string, cells: readonly string[]): void {
  console.log([what.padEnd(44), ...cells.map((cell) => cell.padStart(10))].join(' '))
}

function report(what: string, rate: Rate, arco: number): void {
  line(what, [
    thousands(rate.per_cpu_second),
    thousands(rate.per_second),
    thousands(arco),
    `${(rate.per_cpu_second / arco).toFixed(1)}x`,
  ])
}

const misses: string[] = []
function require(holds: boolean, what: string): void {
  if (!holds) misses.push(what)
}

console.log(`Node ${process.versions.node}, ${availableParallelism()} cores, one thread`)
line('events', ['per CPU s', 'per s', 'Arco', 'of Arco'])

const sample = ledgerOf(10_000, 100)
const texts = sample.map((event) => new TextEncoder().encode(encodeEvent(event)))
const decode = rateOf(texts.length, () => {
  for (const text of texts) decodeEvent(text)
})
report('decode', decode, ARCO_DECODE)
require(decode.per_cpu_second >= 100_000, 'decode at least 100 000 events/s')

for (const tasks_per_run of [Number.POSITIVE_INFINITY, 100]) {
  const rates = [1_000, 10_000, 100_000].map((tasks) => {
    const events = ledgerOf(tasks, Math.min(tasks, tasks_per_run))
    const rate = rateOf(events.length, () => foldAll(events))
    const shape = tasks_per_run === 100 ? 'runs of 100' : 'one run'
    report(`fold, ${thousands(tasks)} tasks, ${shape}`, rate, ARCO.get(tasks) ?? 0)
    return rate.per_cpu_second
  })
  const [small = 0, , large = 0] = rates
  line('  the last by the first', [(large / small).toFixed(2)])
  require(rates.every((rate) => rate >= 100_000), 'fold at least 100 000 events/s')
  require(large >= 0.8 * small, 'fold 100 000 tasks at 0.8 of the rate of 1 000')
}

console.log('hostile texts, 1 MiB by 0.5 MiB: 2 is linear')
for (const [what, textOf] of HOSTILE) {
  const [half, whole] = [2 ** 19, 2 ** 20].map((size) => microsecondsOf(textOf(size)))
  const growth = (whole ?? 0) / (half ?? 1)
  line(`  ${what}`, [growth.toFixed(2)])
  require(growth < 3, `${what}: linear time`)
}

const TASKS = 100_000
const events = ledgerOf(TASKS, 100)
const heap = heapOf(() => foldAll(events))
const rows = Object.values(heap.state.rows).reduce((sum, { size }) => sum + size, 0)
line('heap bytes a task, with all its rows and keys', [thousands(heap.bytes / TASKS)])
line('heap bytes a row', [thousands(heap.bytes / rows)])
const cpu = process.threadCpuUsage()
const delta = takeDelta(heap.state)
const used = process.threadCpuUsage(cpu)
const changed = Object.values(delta.rows).reduce((sum, each) => sum + each.length, 0)
line('rows of a delta', [thousands((changed * 1e6) / (used.user + used.system))])
for (const miss of misses) console.error(`missed: ${miss}`)
if (misses.length > 0) process.exitCode = 1

/** CPU µs of decoding a text that may not be an event: the best of several rounds, the others were disturbed. */
function microsecondsOf(text: string): number {
  const rounds = Array.from({ length: 7 }, () => {
    const begun = process.threadCpuUsage()
    for (let time = 0; time < DECODES; time += 1) {
      try {
        decodeEvent(text)
      } catch (error) {
        if (!(error instanceof EventError)) throw error
      }
    }
    const spent = process.threadCpuUsage(begun)
    return spent.user + spent.system
  })
  return Math.min(...rounds)
}
