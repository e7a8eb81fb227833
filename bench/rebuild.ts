/**
 * `npm run bench:rebuild`: what a rebuild costs (issue 6): events per second with and without latency, whether an event
 * costs the same however many there are, and memory. Every line is of a process of its own (`rebuild-process.ts`).
 *
 * Goals are compared with CPU time, so that a busy machine does not count; the wall clock is printed beside it. A machine
 * without other work would need the CPU time of the main thread and the latency of every round: `idle /s` is that rate.
 * Exit code 1 when a goal is missed.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { writeLedger, type LedgerShape } from './long-ledger.ts'
import type { Case, Figures } from './rebuild-process.ts'

const USAGE = `npm run bench:rebuild -- [--events N]

  --events N    the longest ledger, of 1 000, 10 000, 100 000 and 1 000 000 events; 1 000 000 unless told
`

const SIZES = [1_000, 10_000, 100_000, 1_000_000]

/** Half a minute between events: a million of them are a year, and what is old expires on the way. */
const MS_PER_EVENT = 31_000

/** Events that a rate is measured over, at least. */
const MEASURED_EVENTS_MIN = 60_000

/** Latency of every store operation where there is any, ms. */
const LATENCY_MS = 20

/** Where events and the rest are, for how many of them, and what is wanted of it. */
interface Line {
  readonly what: string
  readonly given: Omit<Case, 'shape' | 'ledger'>
  readonly sizes: readonly number[]
  readonly goals: readonly Goal[]
  /** Flags of Node, for memory. */
  readonly flags?: readonly string[]
}

interface Goal {
  readonly what: string
  isMet(figures: Figures): boolean
}

const PLAIN = { latency_ms: 0, warm: true, tombstones: 'emit' } as const

const perSecond = (events: number, ms: number): number => (events * 1000) / ms

/** Events per second on a machine without other work. */
const idleRate = ({ events, thread_ms, rounds }: Figures, latency_ms: number): number =>
  perSecond(events, thread_ms + rounds * latency_ms)

const FAST: Goal = { what: '30 000 events per second', isMet: (figures) => idleRate(figures, 0) >= 30_000 }
const UNDER_LATENCY: Goal = {
  what: '5 000 events per second',
  isMet: (figures) => idleRate(figures, LATENCY_MS) >= 5_000,
}
const SMALL: Goal = { what: '256 MB above the idle process', isMet: ({ rss_mb }) => rss_mb <= 256 }

/** A heap of this size is enough for a million events, and holds Node to it. */
const HEAP_FLAGS = ['--max-old-space-size=192', '--max-semi-space-size=4']

const LINES: readonly Line[] = [
  ...(['full', 'incremental'] as const).map((mode): Line => ({
    what: `${mode}, all in memory`,
    given: { ...PLAIN, mode, store: 'memory', rounds: 1 },
    sizes: [1_000, 10_000, 100_000],
    goals: [FAST],
  })),
  ...(['full', 'incremental'] as const).map((mode): Line => ({
    what: `${mode}, ${LATENCY_MS} ms an operation`,
    given: { ...PLAIN, mode, store: 'memory', latency_ms: LATENCY_MS, rounds: 1 },
    sizes: [10_000, 100_000],
    goals: [UNDER_LATENCY],
  })),
  {
    what: 'full, ledger in a file',
    given: { ...PLAIN, mode: 'full', store: 'file', rounds: 1 },
    sizes: SIZES,
    goals: [],
  },
  ...(['emit', 'understand'] as const).map((tombstones): Line => ({
    what: `memory: full, ${tombstones}`,
    given: { ...PLAIN, mode: 'full', store: 'folder', rounds: 1, warm: false, tombstones },
    sizes: [1_000_000],
    goals: [SMALL],
    ...(tombstones === 'emit' ? { flags: HEAP_FLAGS } : {}),
  })),
]

/** Null when they are not understood. */
function parseOptions(args: readonly string[]): number | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { events: { type: 'string', default: '1000000' } },
    })
    const events = Number(values.events)
    return SIZES.includes(events) ? events : null
  } catch {
    return null
  }
}

function measureAll(largest: number): void {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-ledger-'))
  const missed: string[] = []
  try {
    console.log(heading())
    const ledgers = new Map(
      SIZES.filter((size) => size <= largest).map((size) => [size, ledgerOf(size, folder)]),
    )
    for (const line of LINES) {
      const measured = line.sizes.flatMap((size) => {
        const ledger = ledgers.get(size)
        return ledger === undefined ? [] : [figuresOf(line, size, ledger)]
      })
      for (const figures of measured) {
        for (const { what, isMet } of line.goals) {
          if (!isMet(figures)) missed.push(`${line.what}, ${count(figures.events)} events: ${what}`)
        }
      }
      missed.push(...flatness(line, measured))
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  console.log(missed.length === 0 ? '\nevery goal is met' : `\nmissed:\n  ${missed.join('\n  ')}`)
  if (missed.length > 0) process.exitCode = 1
}

function ledgerOf(events: number, folder: string): { readonly shape: LedgerShape; readonly file: string } {
  const shape = { events, ms_per_event: MS_PER_EVENT }
  const file = join(folder, `ledger-${events}`)
  writeLedger(shape, file)
  return { shape, file }
}

function figuresOf(line: Line, size: number, { shape, file }: ReturnType<typeof ledgerOf>): Figures {
  const rounds = line.given.latency_ms > 0 ? 1 : Math.max(1, Math.ceil(MEASURED_EVENTS_MIN / size))
  const given: Case = { ...line.given, rounds, shape, ledger: file }
  const args = ['--expose-gc', ...(line.flags ?? []), join(import.meta.dirname, 'rebuild-process.ts')]
  const child = spawnSync(process.execPath, [...args, JSON.stringify(given)], { encoding: 'utf8' })
  if (child.status !== 0) throw new Error(`${line.what}, ${size} events: ${child.stderr}`)
  const figures = JSON.parse(child.stdout) as Figures
  console.log(lineText(line, figures))
  return figures
}

/** Cost of an event between the cheapest and the dearest size: at most 1.3. */
function flatness({ what, sizes }: Line, measured: readonly Figures[]): string[] {
  if (sizes.length < SIZES.length) return []
  const costs = measured.map(({ events, thread_ms }) => thread_ms / events)
  const ratio = Math.max(...costs) / Math.min(...costs)
  console.log(`${`  dearest : cheapest event of ${what}`.padEnd(44)}${ratio.toFixed(2).padStart(12)}`)
  return ratio <= 1.3 ? [] : [`${what}: cost per event flat within 1.3`]
}

const COLUMNS = ['events', 'idle /s', 'wall /s', '/s of CPU', 'µs/event', 'rounds', 'MB above', 'revisions']

function heading(): string {
  return `${''.padEnd(32)}${COLUMNS.map((column) => column.padStart(11)).join('')}`
}

const count = (value: number): string => Math.round(value).toLocaleString('en')

function lineText({ what, given }: Line, figures: Figures): string {
  const { events, wall_ms, cpu_ms, thread_ms, rounds, rss_mb, revisions } = figures
  const cells = [
    count(events),
    count(idleRate(figures, given.latency_ms)),
    count(perSecond(events, wall_ms)),
    count(perSecond(events, cpu_ms)),
    ((thread_ms * 1000) / events).toFixed(1),
    given.latency_ms > 0 ? count(rounds) : '',
    count(rss_mb),
    String(revisions),
  ]
  return `${what.padEnd(32)}${cells.map((cell) => cell.padStart(11)).join('')}`
}

const events_max = parseOptions(process.argv.slice(2))
if (events_max === null) {
  process.stderr.write(USAGE)
  process.exitCode = 2
} else measureAll(events_max)
