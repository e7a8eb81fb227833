/**
 * Rebuilds whose process is killed (correctness.md Q10, P11): what real processes left, others go on with. In `npm test`
 * a small ledger; `npm run prove:rebuild` has a million events in a hundred chunks.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { writeLedger } from '../../../../bench/long-ledger.ts'
import type { Case, Figures } from '../../../../bench/rebuild-process.ts'
import { createEnvironment } from '../../../../functions/environment.ts'
import { forceBreak } from '../../../../lib/protocol/lock.ts'
import { LOCK_PATH } from '../../../../lib/protocol/orchestration/paths.ts'
import { readProjection } from '../../../../lib/protocol/orchestration/projection/read.ts'
import { DEFAULT_PROJECTION_SETTINGS } from '../../../../lib/protocol/orchestration/projection/settings.ts'
import type { TableRef } from '../../../../lib/protocol/orchestration/projection/table-refs.ts'
import type { Protocol } from '../../../../lib/protocol/effects.ts'
import { run } from '../../../../lib/protocol/run.ts'
import { fsStore } from '../../../../lib/store/fs.ts'
import { scopedStore } from '../../../../lib/store/scoped.ts'
import { REPOSITORY } from '../../../house/tools.ts'
import { runCommand, type Ended } from '../../../support/process.ts'
import { IN_MEMORY } from '../../../support/stores.ts'

const EVENTS = Number(process.env['TIDEMARK_REBUILD_EVENTS'] ?? 200)
const CHUNK_EVENTS = Math.min(10_000, Math.ceil(EVENTS / 4))
const CHUNKS = Math.ceil(EVENTS / CHUNK_EVENTS)

const SCOPE = { tenant: 'acme', workspace: 'prod' }
const SETTINGS = { ...DEFAULT_PROJECTION_SETTINGS, scope: SCOPE }
/** Half a minute between events: in a long ledger what is old expires on the way. */
const SHAPE = { events: EVENTS, ms_per_event: 31_000 }

const scratch = mkdtempSync(join(IN_MEMORY, 'tidemark-killed-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const ledger = join(scratch, 'ledger')
writeLedger(SHAPE, ledger)

/** A rebuild in a process of its own. */
async function rebuildIn(folder: string, about: Partial<Case> = {}): Promise<Ended> {
  const given: Case = {
    shape: SHAPE,
    ledger,
    mode: 'full',
    tombstones: 'emit',
    store: 'folder',
    latency_ms: 0,
    rounds: 1,
    warm: false,
    chunk_events: CHUNK_EVENTS,
    folder,
    ...about,
  }
  return runCommand({
    command: process.execPath,
    args: ['bench/rebuild-process.ts', JSON.stringify(given)],
    cwd: REPOSITORY,
  })
}

function figuresOf({ code, stdout, stderr }: Ended): Figures {
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as Figures
}

async function inFolder<R>(folder: string, protocol: Protocol<R>): Promise<R> {
  const store = scopedStore(fsStore(folder), SCOPE)
  const resolver = {
    resolve: () => {
      throw new Error('no table is resolved here')
    },
    knownRoot: () => null,
  }
  return run(protocol, createEnvironment({ store, resolver, note: () => undefined }))
}

/** The process is killed; its lease would keep the next one waiting, so the operator breaks it. */
async function killIn(folder: string, die: NonNullable<Case['die']>): Promise<void> {
  const { signal, stderr } = await rebuildIn(folder, { die })
  expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' })
  expect(await inFolder(folder, forceBreak(LOCK_PATH))).toMatchObject({ ok: true })
}

/** The files of every table that readers see; reading compares each with its hash. */
async function visibleTables(folder: string): Promise<readonly (readonly [string, string | null, string])[]> {
  const seen = await inFolder(folder, readProjection(SETTINGS))
  if (!seen.ok) throw new Error(JSON.stringify(seen))
  return (seen.manifest?.base_snapshot.tables ?? []).map(({ table, org_id, ref }: TableRef) => [
    table,
    org_id,
    typeof ref === 'string' ? ref : ref.checksum_sha256,
  ])
}

test(
  'Q10, P11: a full rebuild that is killed at every chunk, in the middle too, loses no more than that chunk and ends in the same bytes',
  { timeout: 60_000 + EVENTS * 5 },
  async () => {
    const [whole, killed] = [join(scratch, 'whole'), join(scratch, 'killed')]
    const { events_read } = figuresOf(await rebuildIn(whole))
    expect(events_read).toBe(EVENTS)

    for (let chunk = 0; chunk < CHUNKS - 1; chunk++) {
      // Of these nothing is kept, but for a layer that no record names.
      if (chunk % 3 === 0) await killIn(killed, 'before_record')
      if (chunk % 3 === 1) await killIn(killed, 'before_layer')
      await killIn(killed, 'after_chunk')
      expect(await visibleTables(killed)).toEqual([])
    }
    const last = figuresOf(await rebuildIn(killed))
    expect(last.events_read).toBe(EVENTS - (CHUNKS - 1) * CHUNK_EVENTS)
    const tables = await visibleTables(killed)
    expect(tables.length).toBeGreaterThanOrEqual(17)
    expect(tables).toEqual(await visibleTables(whole))
  },
)
