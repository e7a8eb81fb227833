/** Section 1 of the runbook for any process that serves: pasted into bash word for word, after each crash window. */
import { beforeAll, describe, expect, test } from 'vitest'
import { WINDOWS, type Window } from '../support/crash-windows.ts'
import { SCOPE, type CrashedTable, type Seen } from '../support/crashed-table.ts'
import { commitKeys } from '../support/service.ts'
import { runBlocks, type BlockResult, type ShellOptions } from '../support/shell.ts'
import { alone } from './alone.ts'
import { fillIn, runbookSteps } from './document.ts'

/** The bucket's name in every URL. */
export const BUCKET = 'lakehouse'

/** The part of the runbook that is run here. */
export const STEPS = runbookSteps().filter(({ heading }) => /^(Required Environment|1\.\d)/.test(heading))

const COMMIT_ROUTE = '/api/v1/delta/tables/:table_id/commits'

/** A start of servers and twelve commands, on a machine that may be busy. */
export const HOOK_MS = 60_000

/** The runbook writes its request there. */
const REQUEST_FILE = '/tmp/delta-commit-request.json'

/** What lies in the bucket before anybody recovers (spec/coordinator.md 7.1). */
export const LEFT_BEHIND: Record<Window, (table: CrashedTable) => Seen> = {
  W0: () => ({ state: null, log: null, marker: null }),
  W1: (table) => ({ state: reserved(table), log: null, marker: null }),
  W2: (table) => ({ state: reserved(table), log: table.payload, marker: null }),
  W3: (table) => ({ state: reserved(table), log: table.payload, marker: recorded(table) }),
  W4: (table) => ({ state: FINALIZED, log: table.payload, marker: recorded(table) }),
}

const FINALIZED = expect.objectContaining({ latest_version: 0, inflight: null })

function reserved({ key, staged_path, staged_version }: CrashedTable): unknown {
  const inflight = { commit_id: key, read_version: -1, version: 0, staged_path, staged_version }
  return expect.objectContaining({ latest_version: -1, inflight: expect.objectContaining(inflight) })
}

function recorded({ key }: CrashedTable): unknown {
  return expect.objectContaining({ idempotency_key: key, version: 0 })
}

/** Something that serves the bucket, and how an operator looks into it. */
export interface Host {
  /** Leave a table behind in a window. */
  crash(window: Window): Promise<CrashedTable>
  /** Where it is asked: one address for each process. */
  readonly bases: readonly [string, ...string[]]
  /** What the stand-in for gcloud needs to reach the bucket. */
  readonly gcloud: Readonly<Record<string, string>>
  /** The lines of all processes so far. */
  log(): Promise<readonly Readonly<Record<string, unknown>>[]>
}

/** The tests of section 1 over a host that an earlier `beforeAll` has opened. */
export function sectionOne(host: () => Host): void {
  describe.for(WINDOWS)('section 1 after a crash in %s', (window) => {
    let table: CrashedTable
    let left_behind: Seen
    let first: Section
    let again: Section
    let elsewhere: Section
    let found: Seen
    let answered: readonly unknown[]
    beforeAll(async () => {
      const { bases, gcloud, crash, log } = host()
      const [one] = bases
      table = await crash(window)
      left_behind = await table.look()
      first = await pasteSection(table, { base: one, gcloud })
      found = await table.look()
      again = await pasteSection(table, { base: one, gcloud })
      elsewhere = await pasteSection(table, { base: bases.at(-1) ?? one, gcloud })
      answered = (await log()).filter(({ table_id, status }) => table_id === table.table_id && status === 200)
    }, HOOK_MS)

    test('7.1: the kill left exactly the objects of this window', () => {
      expect(left_behind).toEqual(LEFT_BEHIND[window](table))
    })

    test('1.1 shows the reservation of a stuck commit, and how far its version lags', () => {
      expect(jsonOf(first.inspected)).toEqual(left_behind.state)
      // W0 is no stuck commit: there is no state yet, and gcloud says so.
      expect(first.inspected.code).toBe(window === 'W0' ? 1 : 0)
    })

    test('1.2 answers HTTP 200 with the version and the path of the log entry', () => {
      const { log } = commitKeys(table.table_id, table.key, 0)
      expect(jsonOf(first.replayed)).toEqual({ version: 0, delta_log_path: log })
      const replay = expect.objectContaining({ route: COMMIT_ROUTE, status: 200, version: 0 })
      expect(answered.slice(-3)).toEqual([replay, replay, replay])
    })

    test('1.3 finds the marker, no reservation, and at least the replayed version', () => {
      const [url, ...state] = first.verified.stdout.split('\n')
      const { marker } = commitKeys(table.table_id, table.key, 0)
      expect(first.verified.code).toBe(0)
      expect(url).toBe(`gs://${BUCKET}/tenant=${SCOPE.tenant}/workspace=${SCOPE.workspace}/${marker}`)
      expect(JSON.parse(state.join('\n'))).toEqual({ latest_version: 0, inflight: null })
    })

    test('7.2: the bucket holds one commit, finished', () => {
      expect(found).toEqual(LEFT_BEHIND.W4(table))
    })

    test('C7: pasted again, against another process too, every value is identical', () => {
      expect(again.replayed).toEqual(first.replayed)
      expect(again.verified).toEqual(first.verified)
      expect(elsewhere).toEqual(again)
    })
  })
}

/** What the three steps printed. */
export interface Section {
  readonly inspected: BlockResult
  readonly replayed: BlockResult
  readonly verified: BlockResult
}

/** Where a section is pasted. */
export interface Place extends ShellOptions {
  readonly base: string
  readonly gcloud: Readonly<Record<string, string>>
}

/** Paste the commands into one shell, with an operator's values for the placeholders and nothing else changed. */
export async function pasteSection(
  table: CrashedTable,
  { base, gcloud, ...options }: Place,
): Promise<Section> {
  const values = {
    '<tenant>': SCOPE.tenant,
    '<workspace>': SCOPE.workspace,
    '<bucket>': BUCKET,
    // Nothing on a loopback address has TLS.
    'https://<arco-api>': base,
    'https://<arco-flow-compactor>': base,
    '<internal-oidc-or-service-token>': 'unused',
    '<uuid-v7-table-id>': table.table_id,
    '<original-uuid-v7-key>': table.key,
    '<original-staged-path>': table.staged_path,
    '<original-staged-version>': asJsonInHereDocument(table.staged_version),
  }
  const filled = STEPS.map(({ code }) => fillIn(code, values))
  const { blocks } = await alone(REQUEST_FILE, async () => runBlocks(filled, { ...options, env: gcloud }))
  const [, inspected = NOT_RUN, replayed = NOT_RUN, verified = NOT_RUN] = blocks
  return { inspected, replayed, verified }
}

/**
 * A token as it must be typed there: it stands between the quotes of a JSON string, in a here-document in which bash takes
 * a backslash before another one for an escape. Those of a folder have neither; those of R2 and S3 do.
 */
function asJsonInHereDocument(token: string): string {
  return JSON.stringify(token).slice(1, -1).replaceAll('\\', '\\\\')
}

const NOT_RUN: BlockResult = { stdout: '', code: -1 }

/** The value that jq printed, null when it printed nothing. */
export function jsonOf({ stdout }: BlockResult): unknown {
  return stdout === '' ? null : JSON.parse(stdout)
}
