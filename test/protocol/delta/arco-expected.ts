/** What every ask of the golden workspaces must come to here, and the check of one: shared by the stores it runs on. */
import { expect } from 'vitest'
import type { MaintenanceStore } from '../../../lib/store/types.ts'
import { beginsAsArco, withoutAdditive } from '../../support/arco-compare.ts'
import {
  arcoRequestHash,
  readArcoMarker,
  readArcoState,
  sha256,
  writeArco,
} from '../../support/arco-documents.ts'
import { askTidemark, type TidemarkAnswer } from '../../support/ask.ts'
import {
  clockOf,
  deltaWorkspaces,
  namedRequest,
  stagedBytes,
  type ArcoAnswer,
  type ArcoAsk,
  type DeltaWorkspace,
} from '../../support/delta-workspace.ts'
import { commitKeys } from '../../support/service.ts'
import { forbidListing } from '../../support/stores.ts'
import { changesBetween, snapshot, type Snapshot } from '../../support/workspace.ts'
import { DIFFERENCES, type ExpectedAnswer, type Stored } from './arco-differences.ts'

/** The golden Delta workspaces. */
export const WORKSPACES = deltaWorkspaces()

/** Every ask of every workspace with its promise: as Arco, or the weakness that is not repeated. */
export const ASKS = WORKSPACES.flatMap((workspace) =>
  workspace.expect.asks.map((ask) => ({
    workspace,
    ask,
    promise: `${workspace.name}, ${ask.how}, ${ask.ask}: ${
      DIFFERENCES[workspace.name]?.[ask.ask]?.why ?? 'as Arco, in answer and bytes (coordinator.md 3, 15)'
    }`,
  })),
)

/** What an ask must come to here: the answers, and each changed path with Arco's text of it. */
export interface Expected {
  readonly answer: TidemarkAnswer
  readonly again: TidemarkAnswer
  readonly changes: Readonly<Record<string, string>>
}

/** What one ask must come to. */
export function expected(workspace: DeltaWorkspace, ask: ArcoAsk): Expected {
  const difference = DIFFERENCES[workspace.name]?.[ask.ask]
  if (difference === undefined) {
    const answer = asAnswered(ask.answer)
    const again = ask.again === null ? answer : asAnswered(ask.again)
    return { answer, again, changes: asStored(workspace, ask) }
  }
  const answer = spelledOut(workspace, difference.answer)
  return {
    answer,
    again: difference.again === undefined ? answer : spelledOut(workspace, difference.again),
    changes:
      difference.after === 'unchanged'
        ? {}
        : storedText(workspace, difference.after, clockOf(workspace, ask)),
  }
}

const STATUS: Readonly<Record<string, { readonly status: number; readonly code: string }>> = {
  conflict: { status: 409, code: 'CONFLICT' },
  not_found: { status: 404, code: 'NOT_FOUND' },
  bad_request: { status: 400, code: 'BAD_REQUEST' },
}

/** Our reason for each text of the reference. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^delta commit already reserved; retry later$/, 'reserved'],
  [/^Idempotency-Key already used with different request body$/, 'key_reuse'],
  [/^staged payload version mismatch for \S+$/, 'staged_version_mismatch'],
  [/^staged payload not found: \S+$/, 'staged_not_found'],
  [/^(?:Idempotency-Key must|staged_path must start with) /, 'bad_request'],
]

/** The answer of Arco, as Tidemark gives it. */
function asAnswered(answer: ArcoAnswer): TidemarkAnswer {
  if ('ok' in answer) return answer.ok === null ? null : { status: 200, ...answer.ok }
  if ('error' in answer) {
    const { kind, message } = answer.error
    const known = STATUS[kind]
    if (known === undefined) throw new Error(`unknown kind ${kind}`)
    return refusal(known, message.slice(`${kind.replace('_', ' ')}: `.length))
  }
  const { status, body } = answer
  return 'code' in body ? refusal({ status, code: body.code }, body.message) : { status: 200, ...body }
}

function refusal(known: { readonly status: number; readonly code: string }, detail: string): TidemarkAnswer {
  return { ...known, reason: reasonOf(detail), detail }
}

function reasonOf(detail: string): string {
  const stale = /^stale read_version: expected (-?\d+), got (-?\d+)$/.exec(detail)
  if (stale !== null) return Number(stale[2]) > Number(stale[1]) ? 'read_version_ahead' : 'stale_read_version'
  const reason = REASONS.find(([pattern]) => pattern.test(detail))?.[1]
  if (reason === undefined) throw new Error(`no reason for ${detail}`)
  return reason
}

function spelledOut({ expect: { table_id } }: DeltaWorkspace, answer: ExpectedAnswer): TidemarkAnswer {
  if (answer.status === 200) {
    return { ...answer, delta_log_path: commitKeys(table_id, '', answer.version).log }
  }
  const code = Object.values(STATUS).find(({ status }) => status === answer.status)?.code ?? ''
  return { ...answer, code }
}

/** The objects that Arco wrote, by relative path; a marker written by the machine's clock gets the clock of the test. */
function asStored(workspace: DeltaWorkspace, ask: ArcoAsk): Record<string, string> {
  return Object.fromEntries(
    Object.entries(ask.changes).map(([key, text]) => {
      if (text === null) throw new Error(`${key} was deleted; no request deletes anything`)
      const now_ms = clockOf(workspace, ask)
      return [
        key.slice(workspace.prefix.length),
        ask.now_ms === null ? text.replace(/"committed_at_ms":\d+/, `"committed_at_ms":${now_ms}`) : text,
      ]
    }),
  )
}

/** The objects of a difference, in Arco's spelling. */
export function storedText(
  workspace: DeltaWorkspace,
  stored: Stored,
  now_ms: number,
): Record<string, string> {
  const { table_id } = workspace.expect
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
  const bytesOf = (request: string): Uint8Array => {
    const bytes = stagedBytes(workspace, request)
    if (bytes === null) throw new Error(`${request} has staged nothing`)
    return bytes
  }
  const logs = Object.entries(stored.log ?? {}).map(([version, request]) => [
    commitKeys(table_id, '', Number(version)).log,
    text(bytesOf(request)),
  ])
  const markers = Object.entries(stored.markers ?? {}).map(([name, version]) => {
    const request = namedRequest(workspace, name)
    const paths = commitKeys(table_id, request.idempotency_key, version)
    return [
      paths.marker,
      text(
        writeArco({
          idempotency_key: request.idempotency_key,
          idempotency_key_hash: sha256(request.idempotency_key),
          request_hash: arcoRequestHash(request, bytesOf(name)),
          version,
          delta_log_path: paths.log,
          committed_at_ms: now_ms,
        }),
      ),
    ]
  })
  const state = [
    commitKeys(table_id, '', 0).state,
    `{"latest_version":${stored.latest_version},"inflight":null}`,
  ]
  return Object.fromEntries([state, ...logs, ...markers])
}

/** What changed, in Arco's spelling, after a look at how it is really spelled. */
export function changed(before: Snapshot, after: Snapshot): Record<string, string> {
  return Object.fromEntries(
    Object.entries(changesBetween(before, after)).map(([path, text]) => {
      if (text === null) throw new Error(`${path} is gone; no request deletes anything`)
      const arco = withoutAdditive(path, text)
      expect(beginsAsArco(text, arco), `${path}: Arco's members come first`).toBe(true)
      if (path.startsWith('delta/coordinator/')) readArcoState(new TextEncoder().encode(text))
      if (path.startsWith('delta/idempotency/')) readArcoMarker(new TextEncoder().encode(text))
      return [path, arco]
    }),
  )
}

/** Ask twice, five milliseconds apart; the second time changes nothing. */
export async function expectAsk(
  store: MaintenanceStore,
  workspace: DeltaWorkspace,
  ask: ArcoAsk,
): Promise<void> {
  const want = expected(workspace, ask)
  const now_ms = clockOf(workspace, ask)
  const listless = forbidListing(store)
  const before = await snapshot(store, workspace.prefix)

  expect(await askTidemark(listless.store, workspace, ask, now_ms)).toEqual(want.answer)
  const after = await snapshot(store, workspace.prefix)
  expect(changed(before, after)).toEqual(want.changes)

  expect(await askTidemark(listless.store, workspace, ask, now_ms + 5)).toEqual(want.again)
  expect(changesBetween(after, await snapshot(store, workspace.prefix))).toEqual({})
  expect(listless.violations).toEqual([])
}
