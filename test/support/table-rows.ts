/** Rows of every table for tests of its files: the n-th one always the same, with every extreme a column can hold. */
import { tableNamed, type RowIn, type TableName } from '../../lib/protocol/orchestration/tables/all.ts'
import type { Column } from '../../lib/protocol/orchestration/tables/columns.ts'

const TEXTS = [
  '',
  'plain',
  'grün',
  '\u{1f600}\u{ffff}',
  '"quoted"\\',
  '\u0000\u0001\u007f\u2028\n',
  'a'.repeat(300),
]
const U32 = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]
const I64 = [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n]
/** Whole milliseconds, as files hold them: 1970, before it, now, and the ends of what the reference can represent. */
const TIMES_MS = [0, -1, 1_771_675_200_123, -8_334_601_228_800_000, 8_210_266_876_799_999]

const LISTS = [[], [''], ['a', 'b', 'ü"']]
const MAPS = [
  new Map(),
  new Map([['__proto__', 'x']]),
  new Map([
    ['b', '2'],
    ['a', '1'],
    ['\u{1f600}', ''],
  ]),
]

/** Values of columns that hold JSON, by `table.column`; lists and maps where nothing is said. */
const JSON_VALUES: Readonly<Record<string, readonly unknown[]>> = {
  'runs.labels': MAPS,
  'partition_status.partition_values': MAPS,
  'sensor_evals.trigger_source': [
    { source: 'push', message_id: 'm"1' },
    { source: 'poll', poll_epoch: -(2n ** 63n) },
  ],
  'sensor_evals.run_requests': [
    [],
    [
      {
        run_key: 'k',
        request_fingerprint: '',
        asset_selection: [],
        partition_selection: null,
        code_version: null,
      },
    ],
    [
      {
        run_key: 'k',
        request_fingerprint: 'f',
        asset_selection: ['a'],
        partition_selection: [],
        code_version: 'v',
      },
    ],
  ],
  'sensor_evals.status': [
    { status: 'triggered' },
    { status: 'error', message: 'é' },
    { status: 'skipped_stale_cursor' },
  ],
  'schedule_ticks.status': [
    { status: 'triggered' },
    { status: 'skipped', reason: '' },
    { status: 'failed', error: '"' },
  ],
  'schedule_ticks.partition_selection': [null, [], ['p']],
  'backfills.partition_selector': [
    { type: 'range', start: 'a', end: 'b' },
    { type: 'explicit', partition_keys: [] },
    { type: 'filter', filters: MAPS[2] },
  ],
}

/** Rows 0 to `count - 1`; keys differ, and every third nullable cell is NULL. */
export function rowsOf<N extends TableName>(name: N, count: number): RowIn<N>[] {
  return Array.from({ length: count }, (_, number) => rowOf(name, number))
}

function rowOf<N extends TableName>(name: N, number: number): RowIn<N> {
  const columns = Object.entries(tableNamed(name).columns)
  const cells = columns.map(([column, description], place) => [
    column,
    valueOf(`${name}.${column}`, description, number, place),
  ])
  const row = Object.fromEntries(cells) as Record<string, unknown>
  const [key] = KEY_COLUMN[name] ?? [columns[0]?.[0] ?? '']
  row[key ?? ''] = `${String(TEXTS[number % 5])}${String(number).padStart(6, '0')}`
  return row as unknown as RowIn<N>
}

/** A column that tells all rows apart, where that is not the first. */
const KEY_COLUMN: { readonly [N in TableName]?: readonly [string] } = {
  catalog_run_index: ['task_key'],
  dispatch_outbox: ['dispatch_id'],
  sensor_state: ['sensor_id'],
  sensor_evals: ['eval_id'],
  run_key_index: ['run_key'],
  run_key_conflicts: ['conflicting_event_id'],
  partition_status: ['asset_key'],
  idempotency_keys: ['idempotency_key'],
  schedule_definitions: ['schedule_id'],
  schedule_state: ['schedule_id'],
  schedule_ticks: ['tick_id'],
  backfills: ['backfill_id'],
  backfill_chunks: ['chunk_id'],
}

function valueOf(
  place: string,
  { nullable, meaning, stored }: Column<unknown>,
  number: number,
  at: number,
): unknown {
  const pick = <T>(values: readonly T[]): T | undefined => values[(number + at) % values.length]
  if (place === 'catalog_run_index.org_id') return number % 2 === 0 ? 'acme' : 'other'
  switch (meaning.kind) {
    case 'json':
      return pick(JSON_VALUES[place] ?? LISTS)
    case 'time':
      return nullable && (number + at) % 3 === 0 ? null : BigInt(pick(TIMES_MS) ?? 0) * 1_000_000n
    case 'enum':
      return nullable && (number + at) % 3 === 0 ? null : pick(meaning.values)
    case 'text':
    case 'u32':
    case 'i64':
    case 'bool':
      break
  }
  // Never absent in memory, although its column may be NULL in files.
  if (nullable && place !== 'tasks.requires_visible_output' && (number + at) % 3 === 0) return null
  switch (stored) {
    case 'Utf8':
      return pick(TEXTS)
    case 'UInt32':
      return pick(U32)
    case 'Int64':
      return pick(I64)
    case 'Boolean':
      return (number + at) % 2 === 0
  }
}
