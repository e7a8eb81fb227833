/**
 * How fast events are decoded and folded, and what a task row costs in memory (issue 5). Nothing but the fold: decoded
 * events, in memory, one thread. Rates are of this thread's CPU time, so that a busy machine does not count; the wall
 * clock is printed beside them.
 *
 * `npm run bench:fold` prints a table; it fails when a figure is missed.
 */
import { decodeEvent } from '../lib/protocol/orchestration/events/decode.ts'
import { encodeEvent } from '../lib/protocol/orchestration/events/encode.ts'
import type { LedgerEvent } from '../lib/protocol/orchestration/events/kinds.ts'
import { fold } from '../lib/protocol/orchestration/fold/fold.ts'
import { loadState, takeDelta } from '../lib/protocol/orchestration/fold/layers.ts'
import type { FoldState } from '../lib/protocol/orchestration/fold/state.ts'
import { ledgerOf } from './ledger.ts'

/** Events that a rate is measured over, at least. */
const EVENTS_MIN = 500_000

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

function report(what: string, rate: Rate): void {
  console.log(
    `${what.padEnd(44)} ${thousands(rate.per_cpu_second).padStart(10)} ${thousands(rate.per_second).padStart(10)}`,
  )
}

console.log(`${''.padEnd(44)} ${'per CPU s'.padStart(10)} ${'per s'.padStart(10)}`)
const misses: string[] = []
function require(holds: boolean, what: string): void {
  if (!holds) misses.push(what)
}

const sample = ledgerOf(10_000, 100)
const texts = sample.map((event) => new TextEncoder().encode(encodeEvent(event)))
const decode = rateOf(texts.length, () => {
  for (const text of texts) decodeEvent(text)
})
report('decode', decode)
require(decode.per_cpu_second >= 100_000, 'decode at least 100 000 events/s')

for (const tasks_per_run of [Number.POSITIVE_INFINITY, 100]) {
  const rates = [1_000, 10_000, 100_000].map((tasks) => {
    const events = ledgerOf(tasks, Math.min(tasks, tasks_per_run))
    const rate = rateOf(events.length, () => foldAll(events))
    report(`fold, ${thousands(tasks)} tasks, ${tasks_per_run === 100 ? 'runs of 100' : 'one run'}`, rate)
    return rate.per_cpu_second
  })
  require(rates.every((rate) => rate >= 100_000), 'fold at least 100 000 events/s')
  require((rates[2] ?? 0) >= 0.8 * (rates[0] ?? 0), 'fold 100 000 tasks at 0.8 of the rate of 1 000')
  console.log(
    `${'  100 000 tasks : 1 000 tasks'.padEnd(44)} ${((rates[2] ?? 0) / (rates[0] ?? 1)).toFixed(2).padStart(10)}`,
  )
}

const TASKS = 100_000
const events = ledgerOf(TASKS, 100)
const heap = heapOf(() => foldAll(events))
console.log(`heap per task, all its rows and keys: ${thousands(heap.bytes / TASKS)} bytes`)
const cpu = process.threadCpuUsage()
const delta = takeDelta(heap.state)
const used = process.threadCpuUsage(cpu)
const rows = Object.values(delta.rows).reduce((sum, each) => sum + each.length, 0)
console.log(`taking the delta: ${thousands((rows * 1e6) / (used.user + used.system))} rows per CPU second`)
for (const miss of misses) console.error(`missed: ${miss}`)
if (misses.length > 0) process.exitCode = 1
