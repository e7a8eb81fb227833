/**
 * `verify` finds every one of the corrupted copies (issue: 60 of them): entries cut, emptied, swapped and lost, bytes flipped in
 * the columns of checkpoints, wrong sizes, hints, checksums, strangers in the log, files, markers and states; of a sound table
 * with every kind of copy, of a table of ours, of one of Arco's and of tables that delta-rs wrote.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parquetMetadata } from 'hyparquet'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deltaWorkspace } from '../../support/delta-workspace.ts'
import { whyNoDeltaRs, writeByDeltaRs } from '../../support/delta-rs.ts'
import { COMPACTION, logName, soundTable, VECTOR_FILE } from '../../support/spoilt-table.ts'
import { filesIn, lookAt, storeOf, told, type LookOptions } from '../../support/verify.ts'
import { verifiedTable } from '../../support/verified-table.ts'
import { memoryWorkspace } from '../../support/workspace.ts'

type Files = Record<string, Uint8Array>

/** A copy: how it is corrupted, and the rules of which one must be found. */
interface Corruption {
  readonly name: string
  readonly rules: readonly string[]
  readonly corrupt: (files: Files) => void
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes)

function flipped(bytes: Uint8Array | undefined, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes ?? [])
  copy[at] = (copy[at] ?? 0) ^ 0x55
  return copy
}

const isEntry = (path: string): boolean => /_delta_log\/\d{20}\.json$/.test(path)

/** What every log can suffer; `paths` are those of its entries, ascending. */
function ofEntries(files: Files): Corruption[] {
  const entries = Object.keys(files).filter(isEntry).toSorted()
  const each = entries.flatMap((path, index): Corruption[] => {
    const is_inner = index > 0 && index < entries.length - 1
    const name = path.slice(-7)
    const text = textOf(files[path])
    return [
      {
        name: `${name} cut in the middle`,
        rules: ['DL-202', 'DL-205'],
        corrupt: (f) => void (f[path] = utf8(text.slice(0, Math.floor(text.length / 2)))),
      },
      { name: `${name} emptied`, rules: ['DL-210'], corrupt: (f) => void (f[path] = new Uint8Array()) },
      { name: `${name} with a NUL`, rules: ['DL-201'], corrupt: (f) => void (f[path] = utf8(`${text}\0`)) },
      {
        name: `${name} with a line twice`,
        rules: ['DL-308', 'DL-310', 'DL-320', 'DL-330', 'DL-331'],
        corrupt: (f) =>
          void (f[path] = utf8(
            text
              .trimEnd()
              .split('\n')
              .flatMap((line) => [line, line])
              .join('\n'),
          )),
      },
      ...(is_inner
        ? [{ name: `${name} lost`, rules: ['DL-501'], corrupt: (f: Files) => void delete f[path] }]
        : []),
    ]
  })
  const [zero = ''] = entries
  const latest = entries.at(-1) ?? ''
  return [
    ...each,
    {
      name: 'a protocol that does not exist',
      rules: ['DL-321'],
      corrupt: (f) =>
        void (f[zero] = utf8(textOf(f[zero]).replace(/"minReaderVersion":\d/, '"minReaderVersion":9'))),
    },
    {
      name: 'a schema cut',
      rules: ['DL-312'],
      corrupt: (f) => void (f[zero] = utf8(textOf(f[zero]).replace(String.raw`{\"type\":\"struct\"`, ''))),
    },
    {
      name: 'a negative size',
      rules: ['DL-335'],
      corrupt: (f) => editAdd(f, entries, (text) => text.replace(/"size":\d+/, '"size":-5')),
    },
    {
      name: 'a path that climbs',
      rules: ['DL-403'],
      corrupt: (f) => editAdd(f, entries, (text) => text.replace(/"path":"/, '"path":"../')),
    },
    {
      name: 'no partition values',
      rules: ['DL-303', 'DL-337'],
      corrupt: (f) => editAdd(f, entries, (text) => text.replace(/"partitionValues":\{[^}]*\},?/, '')),
    },
    {
      name: 'a stranger with a short number',
      rules: ['DL-101'],
      corrupt: (f) => void (f[latest.replace(/\d{20}/, '99')] = utf8('{}')),
    },
    {
      name: 'a stranger far ahead',
      rules: ['DL-501'],
      corrupt: (f) =>
        void (f[latest.replace(/\d{20}/, String(99).padStart(20, '0'))] = utf8('{"commitInfo":{}}\n')),
    },
  ]
}

/** Change the line of the first add that is found. */
function editAdd(files: Files, entries: readonly string[], change: (text: string) => string): void {
  const path = entries.find((each) => textOf(files[each]).includes('{"add":')) ?? ''
  const lines = textOf(files[path]).split('\n')
  const at = lines.findIndex((line) => line.startsWith('{"add":'))
  lines[at] = change(lines[at] ?? '')
  files[path] = utf8(lines.join('\n'))
}

const CHECKPOINT_RULES = ['DL-807', 'DL-808', 'DL-809', 'DL-810', 'DL-811']

/** Columns whose values a checkpoint has to repeat. */
const COLUMNS = ['add.path', 'add.size', 'metaData.id', 'metaData.schemaString', 'protocol.minWriterVersion']

/** What the Parquet checkpoint of a table can suffer: a flipped byte at the end of each column, where its values are. */
function ofCheckpoint(files: Files): Corruption[] {
  const path = Object.keys(files).find((each) => each.endsWith('.checkpoint.parquet'))
  const bytes = path === undefined ? undefined : files[path]
  if (path === undefined || bytes === undefined) return []
  const { row_groups } = parquetMetadata(bytes.slice().buffer)
  const ends = row_groups.flatMap(({ columns }) =>
    columns.flatMap(({ meta_data }) => {
      const name = meta_data?.path_in_schema.join('.') ?? ''
      const dictionary = Number(meta_data?.dictionary_page_offset ?? 0)
      const data = Number(meta_data?.data_page_offset ?? 0)
      // Indexes into a dictionary end in padding that means nothing: the values are at the end of the dictionary.
      const end = dictionary > 0 ? data : data + Number(meta_data?.total_compressed_size ?? 0)
      return COLUMNS.includes(name) ? [{ name, at: end - 1 }] : []
    }),
  )
  const put = (name: string, change: (bytes: Uint8Array) => Uint8Array): Corruption => ({
    name: `checkpoint: ${name}`,
    rules: CHECKPOINT_RULES,
    corrupt: (f) => void (f[path] = change(bytes)),
  })
  return [
    ...ends.map(({ name, at }) => put(`a byte flipped in ${name}`, () => flipped(bytes, at))),
    put('a byte flipped in the first magic number', () => flipped(bytes, 1)),
    put('a byte flipped in the last magic number', () => flipped(bytes, bytes.length - 2)),
    put('a byte flipped in the length of the footer', () => flipped(bytes, bytes.length - 6)),
    put('the first quarter', () => bytes.slice(0, bytes.length / 4)),
    put('without its last byte', () => bytes.slice(0, -1)),
    put('emptied', () => new Uint8Array()),
    put('zeros', () => new Uint8Array(bytes.length)),
    {
      name: 'a hint ahead of the log',
      rules: ['DL-903'],
      corrupt: (f) => editHint(f, (text) => text.replace(/"version":\d+/, '"version":77')),
    },
    { name: 'a hint to a checkpoint that is gone', rules: ['DL-902'], corrupt: (f) => void delete f[path] },
    {
      name: 'a hint in parts that are not there',
      rules: ['DL-902'],
      corrupt: (f) => editHint(f, (text) => text.replace('{', '{"parts":3,')),
    },
    { name: 'half a hint', rules: ['DL-901'], corrupt: (f) => editHint(f, (text) => text.slice(0, 8)) },
  ]
}

function editHint(files: Files, change: (text: string) => string): void {
  const path = '_delta_log/_last_checkpoint'
  files[path] = utf8(change(textOf(files[path])))
}

/** What data files can suffer. */
function ofFiles(files: Files): Corruption[] {
  const data = Object.keys(files).filter(
    (path) => !path.startsWith('_delta_log/') && path.endsWith('.parquet'),
  )
  const live = data.filter((path) => isLive(files, path)).toSorted()
  return live.flatMap((path): Corruption[] => [
    { name: `${path} lost`, rules: ['DL-1120'], corrupt: (f) => void delete f[path] },
    {
      name: `${path} cut`,
      rules: ['DL-1120'],
      corrupt: (f) => void (f[path] = (f[path] ?? new Uint8Array()).slice(1)),
    },
  ])
}

/** Added and not removed afterwards, by the text of the entries. */
function isLive(files: Files, path: string): boolean {
  const texts = Object.keys(files)
    .filter(isEntry)
    .toSorted()
    .map((entry) => textOf(files[entry]))
  const last = (kind: string): number =>
    texts.findLastIndex((text) =>
      text.split('\n').some((line) => line.startsWith(`{"${kind}":`) && line.includes(`"path":"${path}"`)),
    )
  return last('add') >= last('remove') && last('add') >= 0
}

async function foundIn(files: Files, options: LookOptions = {}): Promise<readonly string[]> {
  const { findings } = await lookAt(storeOf(files), { deep: true, now_ms: 4e12, ...options })
  return told(findings).map((each) => each.split(' ')[0] ?? '')
}

async function expectFound({ name, rules, corrupt }: Corruption, sound: Files): Promise<void> {
  const files = { ...sound }
  corrupt(files)
  const found = await foundIn(files)
  expect(
    rules.some((rule) => found.includes(rule)),
    `${name}: one of ${rules.join(', ')} among ${found.join(', ')}`,
  ).toBe(true)
}

const SOUND: Files = Object.fromEntries(
  Object.entries(soundTable()).map(([path, content]) => [
    path,
    typeof content === 'string' ? utf8(content) : content,
  ]),
)

const OF_COPIES: readonly Corruption[] = [
  {
    name: 'a checksum cut',
    rules: ['DL-1001'],
    corrupt: (f) => void (f[logName(4, 'crc')] = utf8('{"numFiles"')),
  },
  {
    name: 'a checksum of another version',
    rules: ['DL-1002'],
    corrupt: (f) => void (f[logName(4, 'crc')] = f[logName(3, 'crc')] ?? utf8('')),
  },
  {
    name: 'a compaction cut',
    rules: ['DL-1101'],
    corrupt: (f) => void (f[COMPACTION] = (f[COMPACTION] ?? utf8('')).slice(0, 200)),
  },
  {
    name: 'a compaction without its last line',
    rules: ['DL-1101'],
    corrupt: (f) =>
      void (f[COMPACTION] = utf8(textOf(f[COMPACTION]).trimEnd().split('\n').slice(0, -1).join('\n'))),
  },
  {
    name: 'a vector cut',
    rules: ['DL-1202'],
    corrupt: (f) => void (f[VECTOR_FILE] = (f[VECTOR_FILE] ?? utf8('')).slice(0, 10)),
  },
  ...[0, 3, 6, 20, 40, 50].map((at): Corruption => ({
    name: `a byte of a vector flipped at ${at}`,
    rules: ['DL-1202'],
    corrupt: (f) => void (f[VECTOR_FILE] = flipped(f[VECTOR_FILE], at)),
  })),
]

const COPIES: readonly Corruption[] = [
  ...ofEntries(SOUND),
  ...ofCheckpoint(SOUND),
  ...ofFiles(SOUND),
  ...OF_COPIES,
]

describe('a sound table with every kind of copy', () => {
  test('is sound', async () => {
    expect(await foundIn(SOUND)).toEqual([])
  })

  test('is corrupted in at least 60 ways', () => {
    expect(new Set(COPIES.map(({ name }) => name)).size).toBeGreaterThanOrEqual(60)
  })

  test.each(COPIES)('$name is found', async (corruption) => {
    await expectFound(corruption, SOUND)
  })
})

describe('what the coordinator recorded', () => {
  test.each([0, 1, 2])('entry %i of ours, overwritten by another entry: DL-502', async (version) => {
    const table = await verifiedTable()
    table.write(table.logPath(version), table.read(table.logPath((version + 1) % 3)) ?? '')
    expect(told((await table.look()).findings)).toContain('DL-502 error')
  })

  test.each([0, 1, 2])('marker %i of ours, lost: TM-402', async (version) => {
    const table = await verifiedTable()
    const made = table.made[version]
    if (made !== undefined) table.remove(table.markerPath(made))
    expect(told((await table.look()).findings)).toContain('TM-402 warn')
  })

  test.each([10, 60, 200])('a marker of ours, cut after %i bytes: TM-401', async (length) => {
    const table = await verifiedTable()
    const [made] = table.made
    const path = made === undefined ? '' : table.markerPath(made)
    table.write(path, (table.read(path) ?? '').slice(0, length))
    expect(told((await table.look()).findings)).toContain('TM-401 error')
  })

  test('a marker of ours, far too large: TM-401', async () => {
    const table = await verifiedTable()
    const [made] = table.made
    const path = made === undefined ? '' : table.markerPath(made)
    table.write(path, `${table.read(path) ?? ''}${' '.repeat(20_000)}`)
    expect(told((await table.look()).findings)).toContain('TM-401 error')
  })

  test.each([1, 40, 100])('the state of ours, cut after %i bytes: TM-101', async (length) => {
    const table = await verifiedTable()
    table.write(table.state_path, (table.read(table.state_path) ?? '').slice(0, length))
    expect(told((await table.look()).findings)).toContain('TM-101 error')
  })

  const arco = deltaWorkspace('delta-committed')
  const suffers = arco.objects
    .filter(
      ({ key }) =>
        key.includes('/_delta_log/') || key.includes('/coordinator/') || key.includes('/idempotency/'),
    )
    .map(({ key }) => key)
  test.each(suffers)('Arco’s %s, cut in the middle', async (key) => {
    const store = memoryWorkspace(arco)
    const bytes = store.peek(key)?.bytes ?? new Uint8Array()
    store.seed(key, bytes.slice(0, bytes.length / 2))
    const options = { scope: arco.scope, table_id: arco.expect.table_id, resolver: { mode: 'auto' } } as const
    const { findings } = await lookAt(store, options)
    const rules = key.includes('/_delta_log/')
      ? /^DL-20[25]/
      : key.includes('/coordinator/')
        ? /^TM-101/
        : /^TM-401/
    expect(told(findings).filter((each) => rules.test(each))).not.toEqual([])
  })
})

const skipped = whyNoDeltaRs()

describe.skipIf(skipped !== null)(
  `tables that delta-rs wrote${skipped === null ? '' : ` (${skipped})`}`,
  () => {
    let folder: string
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'tidemark-delta-rs-'))
      await writeByDeltaRs(folder)
    }, 60_000)
    afterAll(() => rmSync(folder, { recursive: true }))

    test.each(['appends', 'partitioned', 'rewritten', 'transactions'])(
      'every corrupted copy of %s is found',
      async (name) => {
        const files = filesIn(join(folder, name))
        const corruptions = [...ofEntries(files), ...ofCheckpoint(files), ...ofFiles(files)]
        expect(corruptions.length).toBeGreaterThan(20)
        for (const corruption of corruptions) await expectFound(corruption, files)
      },
    )
  },
)
