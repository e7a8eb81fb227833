import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { isObjectCorrupt } from '../../../support/projection-world.ts'
import { artifactPath } from '../../../../lib/protocol/orchestration/paths.ts'
import { ArtifactRef } from '../../../../lib/protocol/orchestration/projection/artifact.ts'
import {
  countDeletions,
  DELETIONS,
  encodeDeletions,
} from '../../../../lib/protocol/orchestration/projection/deletions.ts'
import { parseDocument } from '../../../../lib/protocol/orchestration/projection/documents.ts'
import {
  emptyManifest,
  encodeManifest,
  MANIFEST,
} from '../../../../lib/protocol/orchestration/projection/manifest.ts'
import { idNumber, idText } from '../../../../lib/protocol/orchestration/projection/manifest-id.ts'
import { encodePointer, POINTER } from '../../../../lib/protocol/orchestration/projection/pointer.ts'
import { readTree, workspaceNames } from '../../../support/workspace.ts'

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const sha256 = (value: Uint8Array): string => createHash('sha256').update(value).digest('hex')

const pointer = (value: unknown) => parseDocument(POINTER, 'pointer', bytes(value))
const manifest = (value: unknown) => parseDocument(MANIFEST, 'manifest', bytes(value))
const deletions = (value: unknown) => parseDocument(DELETIONS, 'deletions', bytes(value))

const FIRST = {
  manifest_id: '00000000000000000000',
  manifest_path: 'state/orchestration/manifests/00000000000000000000.json',
  epoch: 0,
  parent_pointer_hash: null,
  updated_at: '2026-02-21T12:00:00Z',
}

describe('manifests.md 3: the pointer', () => {
  test('the first one has exactly the 175 bytes of the worked example, and their hash', () => {
    const encoded = encodePointer(FIRST)
    expect(encoded).toHaveLength(175)
    expect(sha256(encoded)).toBe('c3a4794f802b428af9179b5ce2ab42c28e968f2334d0356809f80154367ed5ec')
  })

  test('without an id it has that of its path; epoch and parent may be missing or null', () => {
    const { manifest_path, updated_at } = FIRST
    expect(pointer({ manifest_path, updated_at, epoch: null })).toEqual(FIRST)
    const path = 'state/orchestration/manifests/00000000000000000017.json'
    expect(pointer({ manifest_path: path, updated_at }).manifest_id).toBe('00000000000000000017')
  })

  test('any RFC 3339 time is read and the shortest one is written; members that nobody knows are dropped', () => {
    const seen = pointer({ ...FIRST, updated_at: '2026-02-21T13:00:00.500000+01:00', more: { of: 'this' } })
    expect(text(encodePointer(seen))).toContain('"updated_at": "2026-02-21T12:00:00.500Z"\n}')
    expect(text(encodePointer(seen))).not.toContain('more')
  })

  test.each([
    ['no path', { updated_at: FIRST.updated_at }],
    ['no time', { manifest_path: FIRST.manifest_path }],
    ['a path out of the projection', { ...FIRST, manifest_path: 'delta/coordinator/x.json' }],
    ['a path upwards', { ...FIRST, manifest_path: 'state/orchestration/../../x.json' }],
    ['an epoch beyond 2^53-1', { ...FIRST, epoch: 2 ** 53 }],
    ['a negative epoch', { ...FIRST, epoch: -1 }],
    ['an array', [FIRST]],
    ['a number', 7],
  ])('S21: %s is object_corrupt, never rounded or guessed', (_, value) => {
    expect(() => pointer(value)).toThrow(isObjectCorrupt('pointer'))
  })
})

describe('manifests.md 4 and 5: the manifest', () => {
  const empty = emptyManifest('01KCV6Z0M0R3V1S10N0000000A', '2026-02-21T12:00:03.120456789Z')

  test('an empty one has all members in their order, two spaces, no newline at the end', () => {
    expect(text(encodeManifest(empty))).toBe(`{
  "manifest_id": "00000000000000000000",
  "epoch": 0,
  "schema_version": 1,
  "revision_ulid": "01KCV6Z0M0R3V1S10N0000000A",
  "published_at": "2026-02-21T12:00:03.120456789Z",
  "watermarks": {
    "last_processed_at": "1970-01-01T00:00:00Z"
  },
  "base_snapshot": {
    "published_at": "1970-01-01T00:00:00Z",
    "tables": {},
    "delete_channel_version": 0
  },
  "l0_deltas": [],
  "l0_count": 0,
  "l0_limits": {
    "max_count": 10,
    "max_rows": 100000,
    "max_age_seconds": 300
  }
}`)
  })

  const document = JSON.parse(text(encodeManifest(empty))) as Record<string, unknown>

  test('reads itself back', () => {
    expect(manifest(document)).toEqual(empty)
  })

  test('l0_count is counted, whatever an object says (M6)', () => {
    expect(text(encodeManifest(manifest({ ...document, l0_count: 7 })))).toContain('"l0_count": 0')
  })

  test.each([
    'schema_version',
    'revision_ulid',
    'published_at',
    'watermarks',
    'base_snapshot',
    'l0_deltas',
    'l0_count',
    'l0_limits',
  ])('without %s it is object_corrupt', (member) => {
    const { [member]: _left_out, ...rest } = document
    expect(() => manifest(rest)).toThrow(isObjectCorrupt('manifest'))
  })

  test.each(['manifest_id', 'epoch', 'previous_manifest_path', 'publication_witness'])(
    '%s may be missing or null',
    (member) => {
      expect(manifest({ ...document, [member]: null })).toEqual(empty)
    },
  )

  test('legacy references stay bare paths through a rewrite, next to new ones', () => {
    const checksum_sha256 = `sha256:${'0'.repeat(64)}`
    const tables = {
      runs: 'state/orchestration/base/x/runs.parquet',
      tasks: { path: 'state/orchestration/base/x/tasks.000000000000.parquet', checksum_sha256, byte_size: 4 },
      catalog_run_index_by_org: {
        b: 'state/orchestration/base/x/b.parquet',
        a: 'state/orchestration/base/x/a.parquet',
      },
    }
    const base_snapshot = { snapshot_id: 'x', published_at: '2026-02-21T12:00:00Z', tables }
    const rewritten = JSON.parse(text(encodeManifest(manifest({ ...document, base_snapshot })))) as {
      base_snapshot: { tables: typeof tables }
    }
    expect(rewritten.base_snapshot.tables).toEqual(tables)
    expect(Object.keys(rewritten.base_snapshot.tables.catalog_run_index_by_org)).toEqual(['a', 'b'])
  })

  test('organisations with names like those of prototypes, and numbers, keep their byte order', () => {
    const path = (name: string) => `state/orchestration/base/x/${name}.parquet`
    const tables = `{"catalog_run_index_by_org": {"__proto__": "${path('p')}", "10": "${path('t')}", "9": "${path('n')}", "constructor": "${path('c')}"}}`
    const json = text(
      encodeManifest({ ...empty, base_snapshot: { ...empty.base_snapshot, snapshot_id: 'x' } }),
    )
    const seen = parseDocument(
      MANIFEST,
      'manifest',
      new TextEncoder().encode(json.replace('"tables": {}', `"tables": ${tables}`)),
    )
    const written = text(encodeManifest(seen))
    const at = ['"10":', '"9":', '"__proto__":', '"constructor":'].map((name) => written.indexOf(name))
    expect(at).toEqual(at.toSorted((a, b) => a - b))
    expect(at[0]).toBeGreaterThan(0)
  })

  test.each([
    ['a member of the wrong type', { path: 'state/orchestration/x', checksum_sha256: 1, byte_size: 1 }],
    ['a missing member', { path: 'state/orchestration/x', byte_size: 1 }],
    ['a path out of the projection', 'ledger/x'],
    ['a hash that is none', { path: 'state/orchestration/x', checksum_sha256: 'md5:0', byte_size: 1 }],
  ])('projections.md 10: a reference with %s is refused', (_, reference) => {
    expect(ArtifactRef.safeParse(reference).success).toBe(false)
  })
})

describe('every document that Arco wrote is written back byte for byte', () => {
  const documents = workspaceNames('orch-').flatMap((name) => readTree(name).objects)

  test('91 pointers, manifests and deletions', () => {
    let checked = 0
    for (const { key, bytes: stored } of documents) {
      const rewritten = rewrite(key, stored)
      if (rewritten === null) continue
      expect({ key, text: text(rewritten) }).toEqual({ key, text: text(stored) })
      checked += 1
    }
    expect(checked).toBe(91)
  })
})

function rewrite(key: string, stored: Uint8Array): Uint8Array | null {
  if (key.endsWith('manifest.pointer.json')) return encodePointer(parseDocument(POINTER, key, stored))
  if (key.includes('/state/orchestration/manifests/'))
    return encodeManifest(parseDocument(MANIFEST, key, stored))
  return key.includes('/deletions.') ? encodeDeletions(parseDocument(DELETIONS, key, stored)) : null
}

describe('projections.md 12: the deletions object', () => {
  test('without keys it has the 25 bytes of the worked example', () => {
    const encoded = encodeDeletions({})
    expect(encoded).toHaveLength(25)
    expect(sha256(encoded)).toBe('f006cc878477553e4135a9bc15aa72c4f019ecbd7fc95a19e9d54c723de4e6b1')
  })

  test('with keys it has the 147 bytes of the worked example', () => {
    const keys = { tasks: [['run_01', 'extract']], dispatch_outbox: [['dispatch:run_01:extract:1']] }
    const encoded = encodeDeletions(keys)
    expect(encoded).toHaveLength(147)
    expect(sha256(encoded)).toBe('a26fd09192486f0ecee1f965aabc97f12b9c5f877579f85ad4691cf43f933313')
    expect(countDeletions(keys)).toBe(2)
    expect(deletions(JSON.parse(text(encoded)))).toMatchObject(keys)
  })

  test('missing lists, a missing version and unknown members are read as nothing', () => {
    expect(countDeletions(deletions({ more: 1 }))).toBe(0)
  })

  test.each([
    ['another version', { schema_version: 2 }],
    ['a key with too few parts', { tasks: [['run_01']] }],
    ['a key that is no text', { runs: [1] }],
    ['a list in place of a text', { runs: [['run_01']] }],
  ])('%s is object_corrupt: half-understood removals would bring rows back', (_, value) => {
    expect(() => deletions(value)).toThrow(isObjectCorrupt('deletions'))
  })
})

describe('ids and names', () => {
  test('manifests.md 6: twenty digits, safe integers', () => {
    expect(idText(41)).toBe('00000000000000000041')
    expect(idNumber('00000000000000000041')).toBe(41)
    expect(idNumber('00009007199254740991')).toBe(2 ** 53 - 1)
    expect(
      ['41', '0000000000000000004x', '00009007199254740992', '99999999999999999999'].map(idNumber),
    ).toEqual([null, null, null, null])
  })

  test('projections.md 10: twelve digits of the hash before the last dot', () => {
    const hash = 'f006cc878477553e4135a9bc15aa72c4f019ecbd7fc95a19e9d54c723de4e6b1'
    expect(artifactPath('d', 'deletions.json', hash)).toBe('d/deletions.f006cc878477.json')
    expect(artifactPath('d', 'a/b.c.parquet', hash)).toBe('d/a/b.c.f006cc878477.parquet')
    expect(artifactPath('d', 'plain', hash)).toBe('d/plain.f006cc878477')
  })
})
