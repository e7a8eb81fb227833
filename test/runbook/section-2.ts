/** Section 2 of the runbook for any process that serves: pasted into bash word for word, its own example events included. */
import { beforeAll, describe, expect, test } from 'vitest'
import { encodeEvent } from '../../lib/protocol/orchestration/events/encode.ts'
import { fromMs } from '../../lib/protocol/orchestration/events/instant.ts'
import type { LedgerEvent } from '../../lib/protocol/orchestration/events/kinds.ts'
import { eventPath } from '../../lib/protocol/orchestration/paths.ts'
import { scopedStore, type Scope } from '../../lib/store/scoped.ts'
import type { Store } from '../../lib/store/types.ts'
import { createText } from '../support/objects.ts'
import { eventAt } from '../support/projection-events.ts'
import { testClock, testService } from '../support/service.ts'
import { runBlocks, type BlockResult } from '../support/shell.ts'
import { alone } from './alone.ts'
import { fillIn, runbookSteps } from './document.ts'

/** The bucket's name in every URL. */
const BUCKET = 'lakehouse'

/** The part of the runbook that is run here. */
export const STEPS = runbookSteps().filter(({ heading }) => /^(Required Environment|2\.\d)/.test(heading))

/** A start of servers and a dozen commands, on a machine that may be busy. */
export const HOOK_MS = 60_000

/** The runbook writes its list there. */
const LIST_FILE = '/tmp/orch-rebuild-manifest.json'

/** The events that the runbook lists, as if somebody had appended them. */
const LISTED = STEPS.flatMap(({ code }) =>
  Array.from(code.matchAll(/"ledger\/orchestration\/([\d-]+)\/(\w+)\.json"/g), ([, date = '', id = '']) => ({
    date,
    id,
  })),
)

/** A workspace of a bucket that is served. */
export interface Workspace {
  readonly scope: Scope
  readonly base: string
  /** The whole bucket. */
  readonly store: Store
  /** What the stand-in for gcloud needs to reach the bucket. */
  readonly gcloud: Readonly<Record<string, string>>
}

/** What the three steps printed. */
interface Section {
  readonly uploaded: BlockResult
  readonly rebuilt: BlockResult
  readonly verified: BlockResult
  /** When it was pasted, epoch ms. */
  readonly from_ms: number
  readonly to_ms: number
}

const [FIRST, SECOND] = LISTED.map(({ id }) => id)

/** The tests of section 2 in a workspace that an earlier `beforeAll` has opened and nobody has used. */
export function inFreshWorkspace(open: () => Workspace): void {
  describe('section 2 in a workspace without a projection', () => {
    let section: Section
    let again: Section
    beforeAll(async () => {
      const workspace = open()
      await append(workspace)
      section = await pasteSection(workspace)
      again = await pasteSection(workspace)
    }, HOOK_MS)

    test('2.1 uploads the list, 2.2 answers with its events, a revision, and that it is visible', () => {
      expect(section.uploaded.code).toBe(0)
      expect(section.rebuilt.code).toBe(0)
      expect(jsonOf(section.rebuilt)).toMatchObject({
        events_processed: 2,
        manifest_revision: expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/),
        visibility_status: 'visible',
        watermark_before: null,
        watermark_after: SECOND,
      })
    })

    test('2.3 shows the newest event as visible, and the time of this run', () => {
      expectWatermarks(section, SECOND)
    })

    test('pasted again: no new event, no new revision, the same watermarks', () => {
      expect(again.rebuilt.code).toBe(0)
      expect(jsonOf(again.rebuilt)).toMatchObject({
        events_processed: 0,
        manifest_revision: jsonOf(section.rebuilt)['manifest_revision'],
        manifest_id: jsonOf(section.rebuilt)['manifest_id'],
        visibility_status: 'visible',
        accounting: { below_floor: 2 },
      })
      expect(again.verified).toEqual(section.verified)
    })
  })
}

/** The same where a process folded the first of the events, and has been gone for hours. */
export function inStaleWorkspace(open: () => Workspace): void {
  describe('section 2 where the projection stopped five hours ago', () => {
    let before: Readonly<Record<string, unknown>>
    let section: Section
    beforeAll(async () => {
      const workspace = open()
      const [path] = await append(workspace)
      before = await compactHoursAgo(workspace, path ?? '')
      section = await pasteSection(workspace)
    }, HOOK_MS)

    test('what was folded stays folded, what came after it is folded now', () => {
      expect(before).toMatchObject({ events_processed: 1, watermark_after: FIRST })
      const rebuilt = jsonOf(section.rebuilt)
      expect(rebuilt).toMatchObject({
        events_processed: 1,
        visibility_status: 'visible',
        watermark_before: FIRST,
        watermark_after: SECOND,
        accounting: { applied: 1, below_floor: 1 },
      })
      expect(rebuilt['manifest_revision']).not.toBe(before['manifest_revision'])
    })

    test('2.3: both watermarks have advanced', () => {
      expectWatermarks(section, SECOND)
    })
  })
}

function expectWatermarks({ verified, from_ms, to_ms }: Section, newest: string | undefined): void {
  expect(verified.code).toBe(0)
  const { last_visible_event_id, last_processed_at } = jsonOf(verified)
  expect(last_visible_event_id).toBe(newest)
  const processed_ms = Date.parse(String(last_processed_at))
  expect(processed_ms).toBeGreaterThanOrEqual(from_ms)
  expect(processed_ms).toBeLessThanOrEqual(to_ms)
}

/** Put the events that the runbook lists where it says they are; their paths. */
async function append({ store, scope }: Workspace): Promise<string[]> {
  const scoped = scopedStore(store, scope)
  const events = LISTED.map(({ date, id }, number): LedgerEvent => {
    const about = { event_id: id, timestamp: fromMs(Date.parse(`${date}T09:00:0${number}Z`)) }
    return eventAt(number, { ...about, tenant_id: scope.tenant, workspace_id: scope.workspace })
  })
  for (const event of events) await createText(scoped, eventPath(event), encodeEvent(event))
  return events.map(eventPath)
}

/** A process that folded one event, and has been gone ever since. */
async function compactHoursAgo(
  { store, scope }: Workspace,
  path: string,
): Promise<Readonly<Record<string, unknown>>> {
  const clock = testClock(Date.now() - 5 * 3_600_000)
  const listless = {
    ...store,
    listPage: async () => Promise.reject(new Error('no request lists')),
    delete: async () => Promise.reject(new Error('no request deletes')),
  }
  const { body } = await testService(listless, { scope, clock }).request('POST', '/compact', {
    event_paths: [path],
  })
  return body
}

/** Paste the commands into one shell, with an operator's values for the placeholders and nothing else changed. */
async function pasteSection({ scope, base, gcloud }: Workspace): Promise<Section> {
  const values = {
    '<tenant>': scope.tenant,
    '<workspace>': scope.workspace,
    '<bucket>': BUCKET,
    // Nothing on a loopback address has TLS.
    'https://<arco-api>': base,
    'https://<arco-flow-compactor>': base,
    '<internal-oidc-or-service-token>': 'unused',
  }
  const filled = STEPS.map(({ code }) => fillIn(code, values))
  const from_ms = Date.now()
  const { blocks } = await alone(LIST_FILE, async () => runBlocks(filled, { env: gcloud }))
  const [, uploaded = NOT_RUN, rebuilt = NOT_RUN, verified = NOT_RUN] = blocks
  return { uploaded, rebuilt, verified, from_ms, to_ms: Date.now() }
}

const NOT_RUN: BlockResult = { stdout: '', code: -1 }

function jsonOf({ stdout }: BlockResult): Readonly<Record<string, unknown>> {
  return JSON.parse(stdout) as Readonly<Record<string, unknown>>
}
