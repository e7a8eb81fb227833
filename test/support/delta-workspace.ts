/** What `expect.json` of a Delta workspace says: requests, asks, and what Arco answered (`vectors/workspaces/README.md`). */
import * as z from 'zod'
import { readExpectations, readTree, workspaceNames, type WorkspaceTree } from './workspace.ts'

const Request = z.strictObject({
  idempotency_key: z.string(),
  read_version: z.int(),
  staged_path: z.string(),
  staged_version: z.string(),
})

const Committed = z.strictObject({ version: z.int(), delta_log_path: z.string() })

/** The library's answers and those of the HTTP handler. */
const ArcoAnswer = z.union([
  z.strictObject({ ok: Committed.nullable() }),
  z.strictObject({ error: z.strictObject({ kind: z.string(), message: z.string() }) }),
  z.strictObject({
    status: z.int(),
    body: z.union([Committed, z.strictObject({ code: z.string(), message: z.string() })]),
  }),
])

const State = z.strictObject({
  latest_version: z.int(),
  inflight: z
    .strictObject({
      ...Request.omit({ idempotency_key: true, read_version: true }).shape,
      commit_id: z.string(),
      read_version: z.int().optional(),
      version: z.int(),
      started_at_ms: z.int(),
      expires_at_ms: z.int(),
    })
    .nullable(),
})

const Ask = z.strictObject({
  ask: z.string(),
  how: z.enum(['commit', 'replay_committed', 'http']),
  request: z.string(),
  now_ms: z.int().nullable(),
  answer: ArcoAnswer,
  again: ArcoAnswer.nullable(),
  changes: z.record(z.string(), z.string().nullable()),
  state_after: State.nullable(),
})

const DeltaExpectations = z.looseObject({
  kind: z.literal('delta'),
  table_id: z.string(),
  table_root: z.string(),
  reservation_ttl_ms: z.int(),
  requests: z.record(z.string(), Request),
  state: State.nullable(),
  asks: z.array(Ask).min(1),
})

/** A named commit request. */
export type ArcoAskedRequest = z.infer<typeof Request>
/** One question that Arco was asked on a copy of the tree, with its answer. */
export type ArcoAsk = z.infer<typeof Ask>
/** What Arco answered, library or HTTP. */
export type ArcoAnswer = z.infer<typeof ArcoAnswer>

/** A Delta workspace: its tree and what Arco said about it. */
export interface DeltaWorkspace extends WorkspaceTree {
  readonly expect: z.infer<typeof DeltaExpectations>
}

/** One golden Delta workspace. */
export function deltaWorkspace(name: string): DeltaWorkspace {
  return { ...readTree(name), expect: DeltaExpectations.parse(readExpectations(name)) }
}

/** All of them. */
export function deltaWorkspaces(): readonly DeltaWorkspace[] {
  return workspaceNames('delta-').map(deltaWorkspace)
}

/** A request by its name in `requests`. */
export function namedRequest({ name, expect }: DeltaWorkspace, request: string): ArcoAskedRequest {
  const found = expect.requests[request]
  if (found === undefined) throw new Error(`${name} has no request ${request}`)
  return found
}

/** The bytes that a request staged; null when no such object is in the tree. */
export function stagedBytes(workspace: DeltaWorkspace, request: string): Uint8Array | null {
  const key = workspace.prefix + namedRequest(workspace, request).staged_path
  return workspace.objects.find((object) => object.key === key)?.bytes ?? null
}

/**
 * The clock of an ask. Arco's HTTP handler was asked by the machine's clock, long after the reservation had expired
 * (`notes`): a quarter of an hour after it here.
 */
export function clockOf({ expect }: DeltaWorkspace, ask: ArcoAsk): number {
  return ask.now_ms ?? (expect.state?.inflight?.expires_at_ms ?? 0) + 900_000
}
