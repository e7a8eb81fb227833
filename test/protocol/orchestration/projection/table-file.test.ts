import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api'
import fc from 'fast-check'
import { parquetMetadata, type SchemaElement } from 'hyparquet'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cellWriter, type Cell } from '../../../../lib/protocol/orchestration/projection/cells.ts'
import { ParquetError } from '../../../../lib/protocol/orchestration/projection/parquet-error.ts'
import { readChunk } from '../../../../lib/protocol/orchestration/projection/parquet-pages.ts'
import { decodeTable, encodeTable } from '../../../../lib/protocol/orchestration/projection/table-file.ts'
import { sortedByKey } from '../../../../lib/protocol/orchestration/fold/rows.ts'
import { TABLE_NAMES, tableNamed, type TableName } from '../../../../lib/protocol/orchestration/tables/all.ts'
import { StoredObjectError } from '../../../../lib/protocol/stored-error.ts'
import { TASK_STATES } from '../../../../lib/protocol/orchestration/tables/values.ts'
import { isObjectCorrupt } from '../../../support/projection-world.ts'
import { PARQUET_READERS, readByOthers, whyNoParquetReaders } from '../../../support/parquet-readers.ts'
import { rowsOf } from '../../../support/table-rows.ts'
import { GOLDEN_HASHES } from './golden-hashes.ts'

/** The four bytes that every Parquet file begins and ends with. */
const MAGIC = [0x50, 0x41, 0x52, 0x31]

const CASES = Number(process.env['TIDEMARK_CASES'] ?? 100)

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const sizes = TABLE_NAMES.flatMap((name) => [0, 1, 40].map((count) => ({ name, count })))

describe('projections.md 3–7: every table, written and read', () => {
  test.each(sizes)(
    '$name with $count rows comes back as it was, in the order of its key',
    ({ name, count }) => {
      const rows = rowsOf(name, count)
      const bytes = encodeTable(name, rows)
      expect(decodeTable(name, 'x', bytes)).toEqual(sortedByKey(tableNamed(name), rows))
    },
  )

  test.each(sizes)(
    'Q7: $name with $count rows has the bytes that it always had, whatever the order',
    ({ name, count }) => {
      const rows = rowsOf(name, count)
      const bytes = encodeTable(name, rows)
      expect(sha256(bytes)).toBe(GOLDEN_HASHES[name][count as 0 | 1 | 40])
      expect(sha256(encodeTable(name, rows.toReversed()))).toBe(sha256(bytes))
    },
  )

  test('any mixture of runs and single values in a column of few values', () => {
    const states = fc.array(fc.tuple(fc.constantFrom(...TASK_STATES), fc.integer({ min: 1, max: 20 })), {
      maxLength: 30,
    })
    const holds = fc.property(states, (runs) => {
      const [row] = rowsOf('tasks', 1)
      if (row === undefined) throw new Error('one row')
      const rows = runs
        .flatMap(([state, times]) => Array.from({ length: times }, () => state))
        .map((state, at) => ({
          ...row,
          task_key: String(at).padStart(4, '0'),
          state,
          ready_at: at % 3 === 0 ? null : 0n,
        }))
      expect(decodeTable('tasks', 'x', encodeTable('tasks', rows))).toEqual(rows)
    })
    fc.assert(holds, { numRuns: CASES })
  })

  test('texts of which none repeats, or one does only far down, with gaps, empty ones and letters of all widths', () => {
    const texts = fc.array(fc.oneof(fc.string({ unit: 'grapheme', maxLength: 5 }), fc.constant(null)), {
      maxLength: 20,
    })
    const holds = fc.property(texts, fc.constantFrom('', '\u00e9'), (some, letter) => {
      const [row] = rowsOf('tasks', 1)
      if (row === undefined) throw new Error('one row')
      const distinct = Array.from({ length: 150 }, (_, at) => `error ${at}${letter}`)
      const rows = [...distinct, ...some].map((error_message, at) => ({
        ...row,
        task_key: String(at).padStart(4, '0'),
        error_message,
      }))
      expect(decodeTable('tasks', 'x', encodeTable('tasks', rows))).toEqual(rows)
    })
    fc.assert(holds, { numRuns: CASES })
  })

  test('several row groups', () => {
    const rows = rowsOf('run_key_conflicts', 45_000)
    const bytes = encodeTable('run_key_conflicts', rows)
    expect(parquetMetadata(bytes).row_groups.map(({ num_rows }) => num_rows)).toEqual([
      20_000n,
      20_000n,
      5_000n,
    ])
    expect(decodeTable('run_key_conflicts', 'x', bytes)).toEqual(
      sortedByKey(tableNamed('run_key_conflicts'), rows),
    )
  })

  test.each(TABLE_NAMES)(
    'interop G1, G2: %s has no logical type, and chunks in the order of its columns',
    (name) => {
      const metadata = parquetMetadata(encodeTable(name, rowsOf(name, 3)))
      const columns = metadata.schema.slice(1)
      expect(columns.filter(({ logical_type }) => logical_type !== undefined)).toEqual([])
      expect(columns.map((column) => column.name)).toEqual(Object.keys(tableNamed(name).columns))
      expect(columns.map(({ repetition_type }) => repetition_type)).toEqual(
        Object.values(tableNamed(name).columns).map(({ nullable }) => (nullable ? 'OPTIONAL' : 'REQUIRED')),
      )
      const chunks = metadata.row_groups[0]?.columns.map(({ meta_data }) => meta_data?.path_in_schema[0])
      expect(chunks).toEqual(columns.map((column) => column.name))
      expect(metadata.key_value_metadata ?? []).toEqual([])
    },
  )

  test.each([
    ['a NULL in a column that must not be', 'runs', { run_id: null }],
    ['a number beyond 32 bits', 'tasks', { attempt: 2 ** 32 }],
    ['a fraction', 'tasks', { attempt: 0.5 }],
    ['a value that its list does not have', 'runs', { state: 'PAUSED' }],
    ['a number for a text', 'runs', { plan_id: 7 }],
    ['an integer beyond 64 bits', 'tasks', { delta_version: 2n ** 63n }],
    ['a text for a truth', 'runs', { cancel_requested: 'true' }],
  ] as const)('%s is not written', (_, name: TableName, change) => {
    const [row] = rowsOf(name, 1)
    expect(() => encodeTable(name, [{ ...row, ...change } as never])).toThrow(RangeError)
  })

  test('times are floored to milliseconds, before 1970 too', () => {
    const rows = rowsOf('run_key_conflicts', 2).map((row, index) => ({
      ...row,
      detected_at: index === 0 ? 1_999_999n : -1n,
    }))
    const [first, second] = decodeTable('run_key_conflicts', 'x', encodeTable('run_key_conflicts', rows))
    expect(new Set([first?.detected_at, second?.detected_at])).toEqual(new Set([-1_000_000n, 1_000_000n]))
  })
})

describe('DuckDB reads what we write, cell by cell', () => {
  let connection: DuckDBConnection
  let folder: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tidemark-duckdb-'))
    connection = await (await DuckDBInstance.create(':memory:')).connect()
  })

  afterAll(() => {
    connection.closeSync()
    rmSync(folder, { recursive: true })
  })

  const TYPES = { Utf8: 'VARCHAR', UInt32: 'UINTEGER', Int64: 'BIGINT', Boolean: 'BOOLEAN' } as const

  test.each(sizes)('$name with $count rows', async ({ name, count }) => {
    const columns = tableNamed(name).columns
    const rows = sortedByKey(tableNamed(name), rowsOf(name, count))
    const file = join(folder, `${name}-${count}.parquet`)
    writeFileSync(file, encodeTable(name, rows))
    const reader = await connection.runAndReadAll(`select * from read_parquet('${file}')`)
    expect(reader.columnNames()).toEqual(Object.keys(columns))
    expect(reader.columnTypes().map(String)).toEqual(
      Object.values(columns).map(({ stored }) => TYPES[stored]),
    )
    const cells = (row: object) =>
      Object.entries(columns).map(([column, { meaning }]) => {
        const value = (row as Record<string, unknown>)[column]
        return meaning.kind === 'time' && value !== null ? (value as bigint) / 1_000_000n : value
      })
    // What is JSON to us is text to others; that it reads back is checked above.
    const plain = Object.values(columns).map(({ meaning }) => meaning.kind !== 'json')
    const seen = reader.getRows().map((row) => row.filter((_, at) => plain[at]))
    expect(seen).toEqual(rows.map((row) => cells(row).filter((_, at) => plain[at])))
  })
})

describe('interop G14: others read what we write, cell by cell', () => {
  const missing = whyNoParquetReaders()
  const TYPES = { Utf8: 'string', UInt32: 'uint32', Int64: 'int64', Boolean: 'bool' } as const
  let folder: string
  let seen: Awaited<ReturnType<typeof readByOthers>>

  beforeAll(async () => {
    if (missing !== null) return
    folder = mkdtempSync(join(tmpdir(), 'tidemark-parquet-'))
    const files = sizes.map(({ name, count }) => {
      const file = join(folder, `${name}-${count}.parquet`)
      writeFileSync(file, encodeTable(name, rowsOf(name, count)))
      return [`${name}-${count}`, file] as const
    })
    seen = await readByOthers(Object.fromEntries(files))
  }, 60_000)

  afterAll(() => {
    if (missing === null) rmSync(folder, { recursive: true })
  })

  describe.skipIf(missing !== null).each(PARQUET_READERS)('%s', (reader) => {
    test.each(sizes)('$name with $count rows', ({ name, count }) => {
      const columns = tableNamed(name).columns
      const file = seen[reader][`${name}-${count}`]
      expect(file?.columns).toEqual(
        Object.entries(columns).map(([column, { stored, nullable }]) => [column, TYPES[stored], nullable]),
      )
      const rows = sortedByKey(tableNamed(name), rowsOf(name, count))
      const cells = rows.map((row) =>
        Object.entries(columns).map(([column, description]) =>
          asOthersSee(
            cellWriter(`${name}.${column}`, description)((row as unknown as Record<string, unknown>)[column]),
          ),
        ),
      )
      expect(file?.rows).toEqual(cells)
    })
  })

  function asOthersSee(cell: Cell): string | boolean | null {
    return typeof cell === 'number' || typeof cell === 'bigint' ? String(cell) : cell
  }
})

describe('projections.md 8: what older and other writers left', () => {
  /** A file of this table with other columns than ours. */
  function fileOf(
    name: TableName,
    count: number,
    change: (column: string, element: SchemaElement) => SchemaElement | null,
  ): Uint8Array {
    const physical = {
      Utf8: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
      UInt32: { type: 'INT32', converted_type: 'UINT_32' },
      Int64: { type: 'INT64' },
      Boolean: { type: 'BOOLEAN' },
    } as const
    const decoded = parquetMetadata(encodeTable(name, rowsOf(name, count)))
    const rows = rowsOf(name, count) as readonly Record<string, unknown>[]
    const kept = Object.entries(tableNamed(name).columns).flatMap(
      ([column, { stored, nullable, meaning }]) => {
        const element = change(column, {
          name: column,
          ...physical[stored],
          repetition_type: nullable ? 'OPTIONAL' : 'REQUIRED',
        })
        if (element === null) return []
        const cell = (value: unknown) =>
          value === null
            ? null
            : meaning.kind === 'time'
              ? (value as bigint) / 1_000_000n
              : meaning.kind === 'json'
                ? '[]'
                : value
        return [{ element, data: rows.map((row) => cell(row[column])) }]
      },
    )
    expect(decoded.num_rows).toBe(BigInt(count))
    return new Uint8Array(
      parquetWriteBuffer({
        schema: [{ name: 'r', num_children: kept.length }, ...kept.map(({ element }) => element)],
        columnData: kept.map(({ element, data }) => ({ name: element.name, data: data as never })),
      }),
    )
  }

  const without =
    (...names: string[]) =>
    (column: string, element: SchemaElement) =>
      names.includes(column) ? null : element

  test('8.3: runs of the first release read with defaults', () => {
    const bytes = fileOf('runs', 3, without('run_key', 'cancel_requested', 'labels', 'code_version'))
    expect(decodeTable('runs', 'x', bytes)[1]).toMatchObject({
      run_key: null,
      cancel_requested: false,
      labels: new Map(),
      code_version: null,
    })
  })

  test('8.4: idempotency rows without a type get it from their key', () => {
    const bytes = fileOf('idempotency_keys', 1, without('event_type'))
    expect(decodeTable('idempotency_keys', 'x', bytes)[0]?.event_type).toBe('LegacyUnknown')
    const rows = [
      { ...rowsOf('idempotency_keys', 1)[0], idempotency_key: 'finished:r:t:1', event_type: 'LegacyUnknown' },
    ]
    expect(
      decodeTable('idempotency_keys', 'x', encodeTable('idempotency_keys', rows as never))[0]?.event_type,
    ).toBe('TaskFinished')
  })

  test('7: ACKED and FAILED of old outboxes are CREATED', () => {
    const [row] = rowsOf('dispatch_outbox', 1)
    const bytes = encodeTable('dispatch_outbox', [{ ...row, status: 'CREATED' } as never])
    const text = Buffer.from(bytes)
    const at = text.indexOf('CREATED')
    expect(at).toBeGreaterThan(0)
    const old = fileWithStatus('ACKED')
    expect(decodeTable('dispatch_outbox', 'x', old)[0]?.status).toBe('CREATED')
    expect(decodeTable('dispatch_outbox', 'x', fileWithStatus('FAILED'))[0]?.status).toBe('CREATED')
    expect(() => decodeTable('dispatch_outbox', 'x', fileWithStatus('LOST'))).toThrow(
      isObjectCorrupt('artifact'),
    )
  })

  function fileWithStatus(status: string): Uint8Array {
    const columns = Object.keys(tableNamed('dispatch_outbox').columns)
    const [row] = rowsOf('dispatch_outbox', 1) as unknown as [Record<string, unknown>]
    const { schema } = parquetMetadata(encodeTable('dispatch_outbox', rowsOf('dispatch_outbox', 1)))
    const cells = { ...row, status, created_at: 0n } as Record<string, unknown>
    return new Uint8Array(
      parquetWriteBuffer({
        schema,
        columnData: columns.map((name) => ({ name, data: [cells[name]] as never })),
      }),
    )
  }

  test('columns in another order, and unknown ones, are read by name', () => {
    const { schema } = parquetMetadata(encodeTable('run_key_conflicts', rowsOf('run_key_conflicts', 2)))
    const rows = rowsOf('run_key_conflicts', 2)
    const reversed = schema.slice(1).toReversed()
    const more: SchemaElement = { name: 'more', type: 'DOUBLE', repetition_type: 'REQUIRED' }
    const cell = (name: string) =>
      rows.map((row) =>
        name === 'detected_at'
          ? row.detected_at / 1_000_000n
          : (row as unknown as Record<string, unknown>)[name],
      )
    const bytes = parquetWriteBuffer({
      schema: [{ name: 'r', num_children: reversed.length + 1 }, ...reversed, more],
      columnData: [
        ...reversed.map(({ name }) => ({ name, data: cell(name) as never })),
        { name: 'more', data: [1.5, 2.5] },
      ],
    })
    expect(decodeTable('run_key_conflicts', 'x', new Uint8Array(bytes))).toEqual(rows)
  })

  test.each([
    ['a mandatory column is missing', without('run_id')],
    [
      'PJ-2: an optional column is no text',
      (column: string, element: SchemaElement): SchemaElement =>
        column === 'run_key' ? { name: column, type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' } : element,
    ],
    [
      'a mandatory number is signed',
      (column: string, element: SchemaElement): SchemaElement =>
        column === 'tasks_total' ? { name: column, type: 'INT32', repetition_type: 'REQUIRED' } : element,
    ],
  ] as const)('%s: object_corrupt', (_, change) => {
    expect(() => decodeTable('runs', 'x', fileOf('runs', 2, change))).toThrow(isObjectCorrupt('artifact'))
  })

  test('PJ-3: NULL in a mandatory column is no empty text', () => {
    const { schema } = parquetMetadata(encodeTable('run_key_conflicts', rowsOf('run_key_conflicts', 1)))
    const bytes = parquetWriteBuffer({
      schema: schema.map((element, at) => (at === 0 ? element : { ...element, repetition_type: 'OPTIONAL' })),
      columnData: schema.slice(1).map(({ name }) => ({ name, data: [null] as never })),
    })
    expect(() => decodeTable('run_key_conflicts', 'x', new Uint8Array(bytes))).toThrow(
      isObjectCorrupt('artifact'),
    )
  })

  test('PJ-4: a time that nobody can represent is no present time', () => {
    const { schema } = parquetMetadata(encodeTable('run_key_conflicts', rowsOf('run_key_conflicts', 1)))
    const bytes = parquetWriteBuffer({
      schema,
      columnData: schema
        .slice(1)
        .map(({ name }) => ({ name, data: [name === 'detected_at' ? 2n ** 62n : 'x'] as never })),
    })
    expect(() => decodeTable('run_key_conflicts', 'x', new Uint8Array(bytes))).toThrow(
      isObjectCorrupt('artifact'),
    )
  })
})

describe('S20: bombs and broken files end in object_corrupt, soon and in little memory', () => {
  const good = encodeTable('tasks', rowsOf('tasks', 40))

  test.each([0, 1, 7, 8, 100, good.length - 1])('cut to %i bytes', (length) => {
    expect(() => decodeTable('tasks', 'x', good.slice(0, length))).toThrow(isObjectCorrupt('artifact'))
  })

  test('text, and a file of another table', () => {
    expect(() => decodeTable('tasks', 'x', new TextEncoder().encode('{"not":"parquet"}'))).toThrow(
      isObjectCorrupt('artifact'),
    )
    expect(() => decodeTable('runs', 'x', good)).toThrow(isObjectCorrupt('artifact'))
  })

  test('any one byte changed: rows or object_corrupt, never another error', () => {
    const checked = fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bytes = good.slice()
      bytes[at] = (bytes[at] ?? 0) ^ flip
      expect(['rows', 'artifact']).toContain(whatIsIn(bytes))
    })
    fc.assert(checked, { numRuns: CASES })
  })

  function whatIsIn(bytes: Uint8Array): string {
    try {
      decodeTable('tasks', 'x', bytes)
      return 'rows'
    } catch (error) {
      return error instanceof StoredObjectError ? error.object_class : String(error)
    }
  }

  test('a million rows promised in a few bytes', () => {
    const bytes = crafted({ num_rows: 1_000_000n })
    expect(() => decodeTable('run_key_conflicts', 'x', bytes)).toThrow(isObjectCorrupt('artifact'))
  })

  test('ten thousand columns', () => {
    const schema = [
      { name: 'r', num_children: 10_000 },
      ...Array.from({ length: 10_000 }, (_, at) => ({
        name: `c${at}`,
        type: 'INT64' as const,
        repetition_type: 'REQUIRED' as const,
      })),
    ]
    const bytes = parquetWriteBuffer({
      schema,
      columnData: schema.slice(1).map(({ name }) => ({ name, data: [1n] })),
    })
    expect(() => decodeTable('runs', 'x', new Uint8Array(bytes))).toThrow(isObjectCorrupt('artifact'))
  })

  /** A file of nothing but a footer. */
  function footerOnly(footer: readonly number[]): Uint8Array {
    const file = new Uint8Array(4 + footer.length + 8)
    file.set(MAGIC)
    file.set(footer, 4)
    new DataView(file.buffer).setUint32(file.length - 8, footer.length, true)
    file.set(MAGIC, file.length - 4)
    return file
  }

  /** A list of `count` elements of a Thrift type, without them. */
  const listOf = (count: bigint, type: number) => [0xf0 | type, ...varint(count)]

  test.each([
    // Field 2, the schema, as a list of 2³¹ − 1 structs.
    ['a list of 2³¹ − 1 columns', [0x29, ...listOf(2n ** 31n - 1n, 12)]],
    ['33 million truths', [0x29, ...listOf(33_000_000n, 1)]],
    // Each would take 256 MB before the next is looked at.
    [
      'lists within lists of 33 million',
      [0x29, ...Array.from({ length: 50 }, () => listOf(33_000_000n, 9)).flat()],
    ],
    ['a thousand structs within each other', Array.from({ length: 1_000 }, () => 0x1c)],
    ['a number of a million bytes', [0x16, ...Array.from({ length: 1_000_000 }, () => 0x80), 0]],
    ['a text of 2³¹ − 1 bytes', [0x18, ...varint(2n ** 31n - 1n)]],
    ['a text of 2⁶³ bytes', [0x18, ...varint(2n ** 63n)]],
    ['a map', [0x1b, 0x01]],
    ['a footer that does not end', [0x15, 0x02]],
    ['an empty footer', []],
  ])('a footer with %s', (_, footer) => {
    const started_ms = performance.now()
    const before = process.memoryUsage().rss
    expect(() => decodeTable('runs', 'x', footerOnly(footer))).toThrow(isObjectCorrupt('artifact'))
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20)
    expect(performance.now() - started_ms).toBeLessThan(1_000)
  })

  test('2³¹ rows promised in a few bytes', () => {
    const bytes = crafted({ num_rows: 2n ** 31n })
    expect(() => decodeTable('run_key_conflicts', 'x', bytes)).toThrow(isObjectCorrupt('artifact'))
  })

  test('a page header with lists within lists', () => {
    const bytes = encodeTable('run_key_conflicts', rowsOf('run_key_conflicts', 40))
    const { row_groups } = parquetMetadata(bytes)
    const meta = row_groups[0]?.columns[0]?.meta_data
    const start = Number(meta?.dictionary_page_offset ?? meta?.data_page_offset)
    const bomb = [0x19, ...listOf(33_000_000n, 9), ...listOf(33_000_000n, 9), ...listOf(33_000_000n, 9)]
    expect(bomb.length).toBeLessThan(Number(meta?.total_compressed_size))
    bytes.set(bomb, start)
    const before = process.memoryUsage().rss
    expect(() => decodeTable('run_key_conflicts', 'x', bytes)).toThrow(isObjectCorrupt('artifact'))
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20)
  })

  test('a dictionary of 2³¹ − 1 values in four bytes', () => {
    const column = {
      type: 'BYTE_ARRAY',
      converted_type: 'UTF8',
      repetition_type: 'REQUIRED',
      name: 'c',
    } as const
    // Page header: type 2, sizes 4 and 4, dictionary_page_header {num_values 2³¹ − 1, encoding 0}.
    const header = [
      0x15,
      0x04,
      0x15,
      0x08,
      0x15,
      0x08,
      0x4c,
      0x15,
      ...varint(2n ** 32n - 2n),
      0x15,
      0x00,
      0x00,
      0x00,
    ]
    const bytes = new Uint8Array([...header, 0, 0, 0, 0])
    expect(() => readChunk({ bytes, element: column, codec: 'UNCOMPRESSED', row_count: 10 })).toThrow(
      ParquetError,
    )
  })

  test('a page that would become a thousand times its size', () => {
    const before = process.memoryUsage().rss
    expect(() => decodeTable('run_key_conflicts', 'x', withHugePage())).toThrow(isObjectCorrupt('artifact'))
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20)
  })

  /** A good file whose footer says otherwise: the row count is a zigzag varint after the schema. */
  function crafted({ num_rows }: { num_rows: bigint }): Uint8Array {
    const rows = rowsOf('run_key_conflicts', 40)
    const bytes = encodeTable('run_key_conflicts', rows)
    const metadata = parquetMetadata(bytes)
    expect(metadata.num_rows).toBe(40n)
    // 40 rows are `0x16 0x50` in the footer; a longer varint needs a longer footer.
    const footer_bytes = new DataView(bytes.buffer).getUint32(bytes.length - 8, true)
    const start = bytes.length - 8 - footer_bytes
    const footer = bytes.slice(start, bytes.length - 8)
    const promised = [...footer]
    for (let at = promised.length - 2; at >= 0; at--) {
      if (promised[at] === 0x16 && promised[at + 1] === 0x50) promised.splice(at + 1, 1, ...zigzag(num_rows))
    }
    const file = new Uint8Array(start + promised.length + 8)
    file.set(bytes.slice(0, start))
    file.set(promised, start)
    new DataView(file.buffer).setUint32(file.length - 8, promised.length, true)
    file.set(MAGIC, file.length - 4)
    expect(parquetMetadata(file).num_rows).toBe(num_rows)
    return file
  }

  /** The first page header says an uncompressed size of 2³⁰. */
  function withHugePage(): Uint8Array {
    const bytes = encodeTable('run_key_conflicts', rowsOf('run_key_conflicts', 200))
    const { row_groups } = parquetMetadata(bytes)
    const meta = row_groups[0]?.columns[0]?.meta_data
    const start = Number(meta?.dictionary_page_offset ?? meta?.data_page_offset)
    // Field 1 is the type of the page, field 2 its size: `0x15 type 0x15 size`.
    const [field, , next] = bytes.slice(start, start + 3)
    expect([field, next]).toEqual([0x15, 0x15])
    const size_end = bytes.findIndex((byte, at) => at > start + 2 && byte < 0x80) + 1
    const huge = zigzag(2n ** 30n)
    const grown = new Uint8Array(bytes.length + huge.length - (size_end - start - 3))
    grown.set(bytes.slice(0, start + 3))
    grown.set(huge, start + 3)
    grown.set(bytes.slice(size_end), start + 3 + huge.length)
    return grown
  }

  function zigzag(value: bigint): number[] {
    return varint(value * 2n)
  }

  function varint(value: bigint): number[] {
    const encoded: number[] = []
    for (let rest = value; ; rest >>= 7n) {
      if (rest < 128n) return [...encoded, Number(rest)]
      encoded.push(Number(rest & 127n) | 128)
    }
  }
})
