/**
 * `npm run soak:collect`: collectors race publishers for a minute of real time over one folder, and readers look all the
 * time. Publishers stall before they write the pointer, longer than their lease. To the collectors every object is hours
 * old, so that nothing but the touch and the look afterwards protects what is at work. Exit code 1 when a reader ever saw
 * something missing.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createEnvironment } from '../../functions/environment.ts'
import { encodeEvent } from '../../lib/protocol/orchestration/events/encode.ts'
import { eventPath, POINTER_PATH } from '../../lib/protocol/orchestration/paths.ts'
import { compact } from '../../lib/protocol/orchestration/projection/compact.ts'
import { readProjection } from '../../lib/protocol/orchestration/projection/read.ts'
import { DEFAULT_PROJECTION_SETTINGS } from '../../lib/protocol/orchestration/projection/settings.ts'
import { reconcile } from '../../lib/protocol/maintenance/projection/reconcile.ts'
import { reconcileSettings } from '../../lib/protocol/maintenance/projection/settings.ts'
import { verifyProjection } from '../../lib/protocol/maintenance/projection/verify.ts'
import { runMaintenance, type MaintenanceEnvironment } from '../../lib/protocol/maintenance/run.ts'
import { run } from '../../lib/protocol/run.ts'
import { fsStore } from '../../lib/store/fs.ts'
import { scopedMaintenanceStore } from '../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { eventAt } from '../support/projection-events.ts'

const scope = { tenant: 'acme', workspace: 'prod' }
const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } })
const ends_ms = Date.now() + Number(values.seconds) * 1_000
const folder = mkdtempSync(join(tmpdir(), 'tidemark-collect-'))
const store = scopedMaintenanceStore(fsStore(folder), scope)
const settings = { ...DEFAULT_PROJECTION_SETTINGS, scope, lease_ms: 4_000, wait_ms: 6_000 }
const AGED_MS = 3 * 3_600_000

const counts = { published: 0, lost: 0, stalled: 0, reads: 0, collected: 0, deleted: 0, skipped: 0, busy: 0 }
const violations: string[] = []
const is_over = (): boolean => Date.now() >= ends_ms || violations.length > 0

function environment(view: MaintenanceStore): MaintenanceEnvironment {
  const resolver = {
    resolve: () => {
      throw new Error('no table is resolved here')
    },
    knownRoot: () => null,
  }
  return { ...createEnvironment({ store: view, resolver, note: () => undefined }), store: view }
}

/** Four of five times it writes the pointer at once; else it stalls, often past its lease. */
const stalling: MaintenanceStore = {
  ...store,
  async put(path, bytes, precondition, options) {
    if (path === POINTER_PATH && Math.random() < 0.2) {
      counts.stalled += 1
      await sleep(Math.random() * 7_000)
    }
    return store.put(path, bytes, precondition, options)
  },
}

/** To a collector everything is old. */
const aged: MaintenanceStore = {
  ...store,
  async listPage(request, options) {
    const page = await store.listPage(request, options)
    return { ...page, objects: page.objects.map((object) => older(object)) }
  },
  async head(path, options) {
    const seen = await store.head(path, options)
    return seen.outcome === 'ok' ? older(seen) : seen
  },
}

function older<T extends { readonly last_modified_ms?: number }>(object: T): T {
  const { last_modified_ms } = object
  return last_modified_ms === undefined ? object : { ...object, last_modified_ms: last_modified_ms - AGED_MS }
}

let events = 0

async function publishing(): Promise<void> {
  const env = environment(stalling)
  while (!is_over()) {
    const event = eventAt(events++)
    const path = eventPath(event)
    await store.put(path, new TextEncoder().encode(encodeEvent(event)), 'doesNotExist')
    const result = await run(compact(settings, { event_paths: [path], fencing_token: null }), env)
    counts[result.ok ? 'published' : 'lost'] += 1
  }
}

async function collecting(): Promise<void> {
  const env = environment(aged)
  const rules = { ...reconcileSettings(scope), projection: settings }
  const retention = { revisions: 1, younger_ms: 5_000 }
  while (!is_over()) {
    const result = await runMaintenance(
      reconcile({ ...rules, retention }, { repair: true, scope: 'full' }),
      env,
    )
    if (!result.ok) counts.busy += 1
    else {
      counts.collected += 1
      counts.deleted += result.repair_result?.deleted_objects ?? 0
      counts.skipped += result.repair_result?.skipped_paths ?? 0
      const wrong = result.findings.filter(({ rule }) => /^PJ-[123]|^RC-201/.test(rule))
      violations.push(...wrong.map(({ rule, detail }) => `${rule}: ${detail}`))
    }
    await sleep(50)
  }
}

async function reading(): Promise<void> {
  const env = environment(store)
  while (!is_over()) {
    const seen = await run(readProjection(settings), env)
    counts.reads += 1
    if (!seen.ok && seen.reason !== 'storage_unavailable')
      violations.push(`a reader saw ${JSON.stringify(seen)}`)
    await sleep(5)
  }
}

await Promise.all([publishing(), publishing(), publishing(), collecting(), collecting(), reading()])
const page = await runMaintenance(
  verifyProjection(
    { ...reconcileSettings(scope), projection: settings, retention: { revisions: 0, younger_ms: 0 } },
    { cursor: null, limit: 1_000_000 },
  ),
  environment(store),
)
if (!page.ok) violations.push(`verify: ${page.reason}`)
else {
  const wrong = page.findings.filter(({ rule, severity }) => severity === 'error' && rule !== 'PJ-404')
  violations.push(...wrong.map(({ rule, path, detail }) => `${rule} ${path ?? ''}: ${detail}`))
}
process.stdout.write(`${JSON.stringify({ ...counts, violations })}\n`)
if (violations.length === 0) rmSync(folder, { recursive: true, force: true })
else {
  process.stderr.write(`The folder is kept: ${folder}\n`)
  process.exitCode = 1
}
