import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareBytes } from '../../../../lib/protocol/orchestration/byte-order.ts'
import { eventIdOfPath, eventPath } from '../../../../lib/protocol/orchestration/paths.ts'
import { answering } from '../../../../lib/protocol/orchestration/projection/answer.ts'
import {
  countThrough,
  eventListBuilder,
} from '../../../../lib/protocol/orchestration/projection/event-list.ts'
import { readRebuildList } from '../../../../lib/protocol/orchestration/projection/rebuild-list.ts'
import type { Store } from '../../../../lib/store/types.ts'
import { ulidAt } from '../../../support/fold-histories.ts'
import { idAt } from '../../../support/projection-events.ts'
import { projectionWorld, type World } from '../../../support/projection-world.ts'

const FOLDER = 'state/orchestration/rebuilds'
const LIST = `${FOLDER}/list.json`

const pathOf = (event_id: string) => eventPath({ event_id, timestamp: 0n })
const paths = [3, 1, 2, 3].map((number) => pathOf(idAt(number)))
const sorted = [1, 2, 3].map((number) => pathOf(idAt(number)))

async function read(world: World, path = LIST) {
  return world.run(answering(readRebuildList(path)))
}

function worldWith(objects: Readonly<Record<string, string>>): World {
  const world = projectionWorld()
  for (const [path, text] of Object.entries(objects)) world.write(path, text)
  return world
}

async function eventsOf(world: World): Promise<readonly string[]> {
  const list = await read(world)
  if ('ok' in list) throw new Error(JSON.stringify(list))
  return list.events.paths(0, list.events.length)
}

describe('RB-9: the three forms of a list hold the same events', () => {
  const lines = (listed: readonly string[]) => listed.map((path) => `${JSON.stringify(path)}\n`).join('')

  test.each([
    ['a JSON object', { [LIST]: JSON.stringify({ event_paths: paths, more: 'is ignored' }) }],
    ['a JSON object with blanks around it', { [LIST]: `\n  {"event_paths" : ${JSON.stringify(paths)} }\n` }],
    ['one JSON string a line', { [LIST]: lines(paths) }],
    [
      'lines with blanks, carriage returns and no newline at the end',
      { [LIST]: lines(paths).replaceAll('\n', ' \r\n\n').trimEnd() },
    ],
    ['lines with escapes', { [LIST]: lines(paths).replaceAll('ledger', String.raw`\u006cedger`) }],
    [
      'a manifest of manifests of both forms',
      {
        [LIST]: JSON.stringify({ manifests: [`${FOLDER}/a.json`, `${FOLDER}/deep/b.JSON`] }),
        [`${FOLDER}/a.json`]: lines(paths.slice(0, 2)),
        [`${FOLDER}/deep/b.JSON`]: JSON.stringify({ event_paths: paths.slice(2) }),
      },
    ],
    [
      'parts with their hashes',
      {
        [LIST]: JSON.stringify({
          manifests: [
            {
              path: `${FOLDER}/a.json`,
              checksum_sha256: `sha256:${createHash('sha256').update(lines(paths)).digest('hex')}`,
              byte_size: lines(paths).length,
            },
          ],
        }),
        [`${FOLDER}/a.json`]: lines(paths),
      },
    ],
  ])('%s', async (_, objects) => {
    const world = worldWith(objects as unknown as Record<string, string>)
    expect(await eventsOf(world)).toEqual(sorted)
    expect(await read(world)).toMatchObject({ listed: 4, events: { length: 3, duplicates: 1 } })
  })

  test('the digest names the events, not the form or the order', async () => {
    const digests = await Promise.all(
      [JSON.stringify({ event_paths: paths }), lines(sorted), lines(sorted.toReversed())].map(
        async (text) => {
          const list = await read(worldWith({ [LIST]: text }))
          return 'digest' in list ? list.digest : null
        },
      ),
    )
    expect(new Set(digests).size).toBe(1)
    const other = await read(worldWith({ [LIST]: lines(sorted.slice(1)) }))
    expect(other).not.toMatchObject({ digest: digests[0] })
  })

  test('an empty list is one', async () => {
    expect(await eventsOf(worldWith({ [LIST]: '{"event_paths": []}' }))).toEqual([])
    expect(await eventsOf(worldWith({ [LIST]: '{"manifests": []}' }))).toEqual([])
  })
})

describe('http-api.md 5.3: a list that is none', () => {
  const part = (text: string) => ({
    [LIST]: JSON.stringify({ manifests: [`${FOLDER}/a.json`] }),
    [`${FOLDER}/a.json`]: text,
  })

  test.each([
    ['no member', { [LIST]: '{}' }],
    ['not JSON', { [LIST]: '{"event_paths": [' }],
    ['an array', { [LIST]: '[[]]' }],
    ['nothing', { [LIST]: '' }],
    ['blanks', { [LIST]: ' \n' }],
    ['a number among the paths', { [LIST]: '{"event_paths": [1]}' }],
    ['the same member twice (S16)', { [LIST]: '{"event_paths": [], "event_paths": []}' }],
    ['a line that is no string', { [LIST]: `${JSON.stringify(paths[0])}\n17\n` }],
    ['a line that does not end', { [LIST]: `${JSON.stringify(paths[0])}\n"ledger/` }],
    ['both members', { [LIST]: JSON.stringify({ event_paths: [], manifests: [] }) }],
    [
      'a part outside of the folder (S4)',
      { [LIST]: JSON.stringify({ manifests: ['delta/coordinator/x.json'] }) },
    ],
    [
      'a part that is a URL (S4)',
      { [LIST]: JSON.stringify({ manifests: ['http://169.254.169.254/a.json'] }) },
    ],
    ['a part that names parts', part(JSON.stringify({ manifests: [] }))],
    ['a part that is not JSON', part('{')],
    [
      'a part with another hash',
      {
        ...part(''),
        [LIST]: JSON.stringify({
          manifests: [
            { path: `${FOLDER}/a.json`, checksum_sha256: `sha256:${'0'.repeat(64)}`, byte_size: 0 },
          ],
        }),
      },
    ],
  ])('%s: rebuild_manifest_invalid', async (_, objects) => {
    expect(await read(worldWith(objects as unknown as Record<string, string>))).toMatchObject({
      ok: false,
      reason: 'rebuild_manifest_invalid',
    })
  })

  test.each([
    ['{"event_paths":["a",5]}', 'expected {"event_paths": [strings]}, saw something else at event_paths[1]'],
    ['{"paths":[]}', 'expected {"event_paths": [strings]}, saw something else at event_paths'],
    [
      '{"manifests":["a"]}',
      /^expected {"manifests": \[at most 10000 .* saw something else at manifests\[0\]$/,
    ],
    [`"${paths[0]}"\n\n"${paths[1]}",\n`, 'line 3: expected the end of the text, saw "," at offset 65'],
    [`"${paths[0]}"\n{}\n`, 'line 2: expected one JSON string a line'],
  ])('%s: the refusal says where', async (text, where) => {
    const refused = await read(worldWith({ [LIST]: text }))
    const said = 'detail' in refused ? refused.detail : ''
    expect(said.replace(`failed to parse ledger rebuild manifest at ${LIST}: `, '')).toMatch(where)
  })

  test('not UTF-8', async () => {
    const world = projectionWorld()
    world.store.seed(world.prefix + LIST, new Uint8Array([0x22, 0xff, 0x22]))
    expect(await read(world)).toMatchObject({ reason: 'rebuild_manifest_invalid' })
  })

  test.each([
    ['the list', {}, LIST],
    ['a part', { [LIST]: JSON.stringify({ manifests: [`${FOLDER}/gone.json`] }) }, `${FOLDER}/gone.json`],
  ])('%s is missing: rebuild_manifest_not_found, with its path', async (_, objects, path) => {
    expect(await read(worldWith(objects))).toEqual({ ok: false, reason: 'rebuild_manifest_not_found', path })
  })

  test.each([
    'state/orchestration/rebuilds/',
    'state/orchestration/rebuilds/.json',
    'state/orchestration/rebuilds/a',
    'state/orchestration/rebuilds/a.json/',
    'state/orchestration/rebuilds/../manifest.json',
    'state/orchestration/rebuilds/a%2e.json',
    'state/orchestration/manifest.json',
    'gs://bucket/state/orchestration/rebuilds/a.json',
    '',
  ])('S2, S4: %j is no place for one: bad_request, and nothing is read', async (path) => {
    expect(await read(projectionWorld({ wrap: unreadable }), path)).toMatchObject({ reason: 'bad_request' })
  })

  test('every malformed path is named at once, up to a thousand', async () => {
    const bad = [
      'x',
      '/ledger/orchestration/2026-02-21/a.json',
      'ledger/orchestration/2026-2-21/a.json',
      'ledger/orchestration/2026-02-21/a.txt',
      'ledger/orchestration/2026-02-21/a/b.json',
      'ledger/orchestration/2026-02-21/é.json',
    ]
    const world = worldWith({ [LIST]: JSON.stringify({ event_paths: [paths[0], ...bad] }) })
    expect(await read(world)).toMatchObject({
      reason: 'event_path_invalid',
      path: 'x',
      truncated: false,
      paths: bad.map((path) => ({ reason: 'event_path_invalid', path })),
    })
    const many = worldWith({
      [LIST]: JSON.stringify({ event_paths: Array.from({ length: 1_500 }, (_, at) => `bad-${at}`) }),
    })
    const refused = await read(many)
    expect(refused).toMatchObject({ truncated: true })
    expect('paths' in refused && refused.paths.length).toBe(1_000)
  })

  test('S19: more than a million paths', async () => {
    const line = `${JSON.stringify(paths[0])}\n`
    const parts = Array.from({ length: 11 }, () => `${FOLDER}/part.json`)
    const world = worldWith({
      [LIST]: JSON.stringify({ manifests: parts }),
      [`${FOLDER}/part.json`]: line.repeat(100_000),
    })
    expect(await read(world)).toMatchObject({ reason: 'rebuild_manifest_invalid' })
  }, 60_000)
})

function unreadable(store: Store): Store {
  const refuse = (): never => {
    throw new Error('nothing may be read')
  }
  return { ...store, get: refuse, put: refuse }
}

describe('P7: the events of a list, in the order of their ids', () => {
  const id = fc.oneof(
    fc
      .tuple(fc.integer({ min: 0, max: 2 ** 43 }), fc.nat(50))
      .map(([time_ms, random]) => ulidAt(time_ms, random)),
    fc.nat(50).map(idAt),
    fc.nat(50).map((number) => idAt(number).toLowerCase()),
    fc.nat(20).map((number) => `evt_${number}`),
    fc.constantFrom('0', '7ZZZZZZZZZ0000000000000000', '00000000000000000000000000', '~', 'Z'),
  )

  test('whatever they are: sorted by bytes, each once, at the path that was listed first', () => {
    const listed = fc.array(fc.tuple(id, fc.constantFrom(null, null, null, '2001-01-01')), { maxLength: 60 })
    const holds = fc.property(listed, (given) => {
      const all = given.map(([event_id, date]) =>
        date === null ? pathOf(event_id) : `ledger/orchestration/${date}/${event_id}.json`,
      )
      const builder = eventListBuilder()
      const accepted = all.filter((path) => builder.add(path))
      const list = builder.build()
      const first = new Map<string, string>()
      for (const path of accepted) {
        const key = eventIdOfPath(path) ?? ''
        if (!first.has(key)) first.set(key, path)
      }
      const expected = [...first].toSorted(([a], [b]) => compareBytes(a, b))
      expect(list.paths(0, list.length)).toEqual(expected.map(([, path]) => path))
      expect(expected.map((_, at) => list.idAt(at))).toEqual(expected.map(([key]) => key))
      expect(list.duplicates).toBe(accepted.length - list.length)
      const middle = expected.at(expected.length >>> 1)?.[0] ?? null
      expect(countThrough(list, middle)).toBe(expected.length === 0 ? 0 : (expected.length >>> 1) + 1)
    })
    fc.assert(holds, { numRuns: 1_000 })
  })

  test('a path that cannot be an event of a ledger is not taken', () => {
    const builder = eventListBuilder()
    const bad = [
      '',
      'x',
      `${pathOf(idAt(1))}/`,
      pathOf(idAt(1)).replace('.json', '.JSON'),
      pathOf(idAt(1)).replace('2026-02', '2026/02'),
    ]
    expect(bad.filter((path) => builder.add(path))).toEqual([])
    expect(builder.listed).toBe(0)
  })

  test('P17: a million events take less than 64 MB, whatever their paths would', () => {
    const before = process.memoryUsage().arrayBuffers
    const builder = eventListBuilder()
    const idOf = (number: number) => ulidAt(1_771_660_800_000 + number, number)
    for (let number = 0; number < 1_000_000; number++) builder.add(pathOf(idOf(number)))
    const list = builder.build()
    expect(list.length).toBe(1_000_000)
    expect([list.idAt(0), list.pathAt(999_999)]).toEqual([idOf(0), pathOf(idOf(999_999))])
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 2 ** 20)
  }, 60_000)
})
