import { describe, expect, test } from 'vitest'
import {
  deleteChannelProblem,
  tombstoneMode,
  withDeleteChannel,
} from '../../../../lib/protocol/orchestration/projection/delete-channel.ts'
import {
  countThrough,
  eventListBuilder,
} from '../../../../lib/protocol/orchestration/projection/event-list.ts'
import {
  emptyManifest,
  NO_WATERMARKS,
  type Delta,
  type Manifest,
} from '../../../../lib/protocol/orchestration/projection/manifest.ts'
import { isMergeDue } from '../../../../lib/protocol/orchestration/projection/merge-trigger.ts'
import { assertSuccession } from '../../../../lib/protocol/orchestration/projection/succession.ts'
import {
  advance,
  floorOf,
  isBelowFloor,
} from '../../../../lib/protocol/orchestration/projection/watermarks.ts'
import { countLayer } from '../../../../lib/protocol/orchestration/projection/write-layer.ts'

const NOW = '2026-02-21T12:00:00Z'
const NOW_MS = Date.parse(NOW)
const NO_ROWS = countLayer({ rows: {}, deletions: {} })

function delta(changes: Partial<Delta> = {}): Delta {
  return {
    delta_id: 'd',
    created_at: NOW,
    event_range: { from_event: 'a', to_event: 'b', event_count: 2 },
    tables: [],
    row_counts: { ...NO_ROWS, runs: 1 },
    deletions: null,
    deletion_count: 0,
    ...changes,
  }
}

function manifest(changes: Partial<Manifest> = {}): Manifest {
  return { ...emptyManifest('r', NOW), ...changes }
}

const at = (id: string) => ({ event_id: id, path: `p/${id}` })
const committed = (id: string) => advance(NO_WATERMARKS, at(id), NOW)

describe('manifests.md 7: watermarks', () => {
  const later = '2026-02-21T12:01:00Z'

  test.each([
    ['nothing before: they come to the last event', NO_WATERMARKS, '01B', '01B'],
    ['a straggler moves nothing, not even the time', committed('01B'), '01A', null],
    ['the same again moves nothing', committed('01B'), '01B', null],
    ['a later event, of whatever kind', committed('01B'), '01C', '01C'],
    ['ids compare by bytes: lower case comes after upper case', committed('01B'), '01a', '01a'],
    ['above the surrogates, where UTF-16 has another order', committed('\u{ffff}'), '\u{1f600}', '\u{1f600}'],
  ])('%s', (_, before, last, moved_to) => {
    const after = advance(before, at(last), later)
    expect(after).toEqual(
      moved_to === null
        ? before
        : {
            last_committed_event_id: moved_to,
            last_visible_event_id: moved_to,
            events_processed_through: moved_to,
            last_processed_file: `p/${moved_to}`,
            last_processed_at: later,
          },
    )
  })

  test('an empty batch moves nothing', () => {
    expect(advance(committed('01B'), null, later)).toEqual(committed('01B'))
  })
})

describe('rebuild.md 5: the floor, and what is selected above it', () => {
  const path = (id: string) => `ledger/orchestration/2026-02-21/${id}.json`

  test.each([
    [null, null, null, ['3', '1', '2', '3'], ['1', '2', '3']],
    ['2', '2', '3', ['1', '2', '3', '3'], ['3']],
    [null, '2', '3', ['1', '2', '3'], ['3']],
    [null, null, '3', ['1', '2', '3', '4'], ['4']],
    ['3', '3', '3', ['1', '2', '3'], []],
  ])(
    'visible %s, processed %s, committed %s: of %j come %j',
    (visible, processed, committed_id, listed, selected) => {
      const floor = floorOf({
        ...NO_WATERMARKS,
        last_visible_event_id: visible,
        events_processed_through: processed,
        last_committed_event_id: committed_id,
      })
      const builder = eventListBuilder()
      listed.forEach((id) => builder.add(path(id)))
      const list = builder.build()
      expect(list.paths(countThrough(list, floor), list.length)).toEqual(selected.map(path))
      expect(selected.filter((id) => isBelowFloor(id, floor))).toEqual([])
    },
  )
})

describe('manifests.md 8: layers become a base', () => {
  const nine = Array.from({ length: 9 }, () => delta())
  const much = { ...NO_ROWS, runs: 99_999 }

  test.each([
    ['the tenth delta', { l0_deltas: nine }, delta(), true],
    ['the ninth does not', { l0_deltas: nine.slice(1) }, delta(), false],
    ['a delta of 100 000 rows at once', {}, delta({ row_counts: { ...NO_ROWS, tasks: 100_000 } }), true],
    ['99 999 rows do not', {}, delta({ row_counts: much }), false],
    ['deletions count as rows', {}, delta({ row_counts: much, deletion_count: 1 }), true],
    ['rows count over all deltas', { l0_deltas: [delta({ row_counts: much })] }, delta(), true],
    [
      'a delta of five minutes, even when nothing changed',
      { l0_deltas: [delta({ created_at: '2026-02-21T11:55:00Z' })] },
      null,
      true,
    ],
    [
      'a little less does not',
      { l0_deltas: [delta({ created_at: '2026-02-21T11:55:00.001Z' })] },
      null,
      false,
    ],
    ['nothing changed and no deltas', {}, null, false],
    [
      'limits live in the manifest',
      { l0_limits: { max_count: 1, max_rows: 9, max_age_seconds: 9 } },
      delta(),
      true,
    ],
  ])('%s', (_, changes, pending, is_due) => {
    expect(isMergeDue(manifest(changes), pending, NOW_MS)).toBe(is_due)
  })
})

describe('manifests.md 10: the delete channel', () => {
  const deletions = 'state/orchestration/l0/d/deletions.json'
  const base = { ...emptyManifest('r', NOW).base_snapshot, snapshot_id: 'b' }
  const whole = { schema_version: 2, l0_deltas: [delta({ deletions })] }

  test.each([
    ['newer than we know', { schema_version: 3 }, 'emit', /newer/],
    ['0 and 1 are not checked', { schema_version: 0, l0_deltas: [delta()] }, 'understand', null],
    ['1 is not checked', { schema_version: 1, l0_deltas: [delta()] }, 'emit', null],
    ['2, a delta without deletions', { schema_version: 2, l0_deltas: [delta()] }, 'emit', /stripped/],
    ['2, a base without the channel', { schema_version: 2, base_snapshot: base }, 'emit', /stripped/],
    ['2, all there, told not to record', whole, 'understand', /told not to/],
    ['2, all there', whole, 'emit', null],
    [
      '2, a base with the channel',
      { schema_version: 2, base_snapshot: { ...base, delete_channel_version: 1 } },
      'emit',
      null,
    ],
  ] as const)('%s', (_, changes, mode, problem) => {
    const found = deleteChannelProblem(manifest(changes), mode)
    expect(problem === null ? found === null : problem.test(found ?? '')).toBe(true)
  })

  test.each([
    ['every delta has deletions', { l0_deltas: [delta({ deletions })] }, 'emit', 2],
    ['one has none', { l0_deltas: [delta({ deletions }), delta()] }, 'emit', 1],
    ['a base of a writer that did not record', { base_snapshot: base }, 'emit', 1],
    ['never in mode understand', { l0_deltas: [delta({ deletions })] }, 'understand', 1],
  ] as const)('schema_version is raised when the markers are complete: %s', (_, changes, mode, version) => {
    expect(withDeleteChannel(manifest(changes), mode).schema_version).toBe(version)
  })

  test.each([
    ['follow', null, 'emit'],
    ['follow', 1, 'understand'],
    ['follow', 2, 'emit'],
    ['emit', 1, 'emit'],
    ['understand', 2, 'understand'],
    ['understand', null, 'understand'],
  ] as const)('set to %s, schema_version %s: %s', (setting, schema_version, mode) => {
    const seen = schema_version === null ? null : manifest({ schema_version })
    expect(tombstoneMode(setting, seen)).toBe(mode)
  })
})

describe('manifests.md 12, P2: succession', () => {
  const pointer = {
    manifest_id: '00000000000000000007',
    manifest_path: 'state/orchestration/manifests/00000000000000000007.json',
    epoch: 3,
    parent_pointer_hash: 'sha256:parent',
    updated_at: NOW,
  }
  const next = { ...pointer, manifest_id: '00000000000000000009', epoch: 3 }

  test('a higher id, an epoch that is not lower, and the hash of the parent', () => {
    expect(() => assertSuccession(pointer, 'sha256:parent', next, 'publish')).not.toThrow()
    expect(() =>
      assertSuccession(null, null, { ...next, parent_pointer_hash: null }, 'publish'),
    ).not.toThrow()
    expect(() => assertSuccession(pointer, 'sha256:parent', pointer, 'touch')).not.toThrow()
  })

  test.each([
    ['the same id', { manifest_id: pointer.manifest_id }, 'publish'],
    ['a lower id', { manifest_id: '00000000000000000006' }, 'publish'],
    ['an id that is none', { manifest_id: '8' }, 'publish'],
    ['a lower epoch', { epoch: 2 }, 'publish'],
    ['no parent', { parent_pointer_hash: null }, 'publish'],
    ['another parent', { parent_pointer_hash: 'sha256:other' }, 'publish'],
    ['another id in a touch', {}, 'touch'],
  ] as const)('%s is a bug', (_, changes, kind) => {
    expect(() => assertSuccession(pointer, 'sha256:parent', { ...next, ...changes }, kind)).toThrow(Error)
  })
})
