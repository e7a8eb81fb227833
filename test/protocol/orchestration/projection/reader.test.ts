/** P1, P11, P12: what a reader sees while others rebuild, merge and collect: always one whole revision. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { encodeEvent } from '../../../../lib/protocol/orchestration/events/encode.ts'
import type { LedgerEvent } from '../../../../lib/protocol/orchestration/events/kinds.ts'
import { fold } from '../../../../lib/protocol/orchestration/fold/fold.ts'
import { loadState } from '../../../../lib/protocol/orchestration/fold/layers.ts'
import { eventPath, POINTER_PATH } from '../../../../lib/protocol/orchestration/paths.ts'
import { compact } from '../../../../lib/protocol/orchestration/projection/compact.ts'
import type { Folded } from '../../../../lib/protocol/orchestration/projection/outcomes.ts'
import { rebuild, REBUILD_DEFAULTS } from '../../../../lib/protocol/orchestration/projection/rebuild.ts'
import { atStoredPrecision } from '../../../../lib/protocol/orchestration/projection/stored-precision.ts'
import { run } from '../../../../lib/protocol/run.ts'
import { fsStore } from '../../../../lib/store/fs.ts'
import { memoryStore } from '../../../../lib/store/memory.ts'
import { scopedMaintenanceStore, scopePrefix } from '../../../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../../../lib/store/types.ts'
import { REPOSITORY } from '../../../house/tools.ts'
import { collect } from '../../../support/collector.ts'
import { startProcess } from '../../../support/process.ts'
import { eventsAt } from '../../../support/projection-events.ts'
import {
  digestOf,
  look,
  READER_SETTINGS,
  readerEnvironment,
  type Look,
} from '../../../support/projection-reader.ts'
import { folded } from '../../../support/projection-world.ts'
import { IN_MEMORY } from '../../../support/stores.ts'

const { scope } = READER_SETTINGS
/** Rebuilds, compactions with their merges, and collections. */
const OPERATIONS = 200
/** New events of one operation. */
const BATCH = 2

const LEDGER = eventsAt(0, OPERATIONS * BATCH)

/** The digest of all rows, by the highest event id that is folded. */
const DIGESTS = digestsOf(LEDGER)

function digestsOf(events: readonly LedgerEvent[]): ReadonlyMap<string | null, string> {
  const state = loadState({ tenant_secret: new Uint8Array(), terminal_run_days: 90 })
  const digests = new Map<string | null, string>([[null, digestOf(state)]])
  for (const [index, event] of events.entries()) {
    fold(state, atStoredPrecision(event))
    if ((index + 1) % BATCH === 0) digests.set(event.event_id, digestOf(state))
  }
  return digests
}

/** Someone who publishes: events come out of memory, everything else is in the store. */
function publisherOn(store: MaintenanceStore) {
  const ledger = new Map(
    LEDGER.map((event) => [eventPath(event), new TextEncoder().encode(encodeEvent(event))]),
  )
  const env = readerEnvironment({
    ...store,
    async get(key, options) {
      const bytes = ledger.get(key)
      return bytes === undefined ? store.get(key, options) : { outcome: 'ok', bytes, token: '1' }
    },
  })
  const paths = [...ledger.keys()]
  let lists = 0
  return {
    async compact(from: number, to: number): Promise<Folded> {
      const request = { event_paths: paths.slice(from, to), fencing_token: null }
      return folded(await run(compact(READER_SETTINGS, request), env))
    },
    async rebuild(to: number, mode: 'incremental' | 'full'): Promise<Folded> {
      const rebuild_manifest_path = `state/orchestration/rebuilds/list-${lists++}.json`
      const list = new TextEncoder().encode(JSON.stringify({ event_paths: paths.slice(0, to) }))
      await store.put(rebuild_manifest_path, list, 'doesNotExist')
      const request = { ...REBUILD_DEFAULTS, rebuild_manifest_path, mode }
      return folded(await run(rebuild(READER_SETTINGS, request), env))
    },
    collect: async (since_ms: number) => collect(store, env, since_ms),
  }
}

/** Starts a reader, and waits for what it prints. */
function startReader(folder: string) {
  const args = ['test/support/projection-reader.ts', folder]
  const reader = startProcess({ command: process.execPath, args, cwd: REPOSITORY })
  onTestFinished(() => reader.killAll())
  const looks = (): Look[] =>
    reader
      .stdout()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Look)
  return {
    looks,
    /** One that began after now has ended. */
    async nextLook(): Promise<Look> {
      const count = looks().length + 2
      await reader.printed(new RegExp(`^(?:.*\\n){${count}}`))
      return looks()[count - 1] ?? { ok: false, problem: 'no look', ended_ms: 0 }
    },
    stderr: () => reader.stderr(),
  }
}

/** What is wrong with a look, or null. */
function problemOf(seen: Look): string | null {
  if (!seen.ok) return seen.problem
  const expected = DIGESTS.get(seen.watermark)
  return seen.digest === expected ? null : `rows of another revision than ${seen.manifest_id ?? 'none'}`
}

test(
  'P1, P11, P12: a process that reads during 200 rebuilds, compactions and collections never sees a missing, torn or mixed revision',
  { timeout: 120_000 },
  async () => {
    const folder = mkdtempSync(join(IN_MEMORY, 'tidemark-reader-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const publisher = publisherOn(scopedMaintenanceStore(fsStore(folder), scope))
    const reader = startReader(folder)
    let [events, merges, deleted] = [0, 0, 0]
    for (let operation = 0; operation < OPERATIONS; operation++) {
      if (operation % 8 === 7) {
        // The quarantine is as long as the longest read: the look that goes on now began after this one had ended.
        const { ended_ms } = await reader.nextLook()
        deleted += (await publisher.collect(ended_ms)).length
      } else if (operation % 20 === 18) {
        await publisher.rebuild(events, 'full')
      } else {
        const from = events
        events += BATCH
        const { merged_to_base } =
          operation % 2 === 0
            ? await publisher.rebuild(events, 'incremental')
            : await publisher.compact(from, events)
        if (merged_to_base) merges += 1
      }
    }
    const last = await reader.nextLook()
    expect(reader.stderr()).toBe('')
    expect(new Set(reader.looks().map(problemOf))).toEqual(new Set([null]))
    expect(last).toMatchObject({ ok: true, watermark: LEDGER[events - 1]?.event_id })
    expect(merges).toBeGreaterThan(5)
    expect(deleted).toBeGreaterThan(200)
  },
)

test.each([
  [
    'missing: a file of the visible revision is gone',
    (store: ReturnType<typeof memoryStore>, files: string[]) => store.remove(files[0] ?? ''),
  ],
  [
    'torn: a file of it is cut short',
    (store: ReturnType<typeof memoryStore>, files: string[]) => {
      const [file = ''] = files
      store.seed(file, store.peek(file)?.bytes.slice(0, -1) ?? new Uint8Array())
    },
  ],
])('the reader says so when it sees what it must not: %s', async (_, damage) => {
  const bucket = memoryStore()
  const store = scopedMaintenanceStore(bucket, scope)
  await publisherOn(store).compact(0, BATCH)
  expect(problemOf(await look(store))).toBe(null)
  damage(
    bucket,
    [...bucket.dump().keys()].filter((key) => key.includes('/l0/') && key.endsWith('.parquet')),
  )
  expect(problemOf(await look(store))).toContain('object_corrupt')
})

test('the reader says so when it sees what it must not: mixed: the pointer names rows of one revision and the watermark of another', async () => {
  const bucket = memoryStore()
  const store = scopedMaintenanceStore(bucket, scope)
  const publisher = publisherOn(store)
  const first = await publisher.compact(0, BATCH)
  const second = await publisher.compact(BATCH, 2 * BATCH)
  const key = (id: string): string => `${scopePrefix(scope)}state/orchestration/manifests/${id}.json`
  const manifestOf = (id: string) => JSON.parse(new TextDecoder().decode(bucket.peek(key(id))?.bytes))
  const mixed = { ...manifestOf(second.manifest_id), l0_deltas: manifestOf(first.manifest_id).l0_deltas }
  bucket.seed(key(second.manifest_id), new TextEncoder().encode(JSON.stringify({ ...mixed, l0_count: 1 })))
  expect(await store.head(POINTER_PATH)).toMatchObject({ outcome: 'ok' })
  expect(problemOf(await look(store))).toContain('rows of another revision')
})
