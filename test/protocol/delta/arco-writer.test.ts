import { describe, expect, test } from 'vitest'
import { scopedStore } from '../../../lib/store/scoped.ts'
import { ArcoError, arcoWriter, type ArcoWriter } from '../../support/arco-writer.ts'
import {
  clockOf,
  deltaWorkspaces,
  namedRequest,
  type ArcoAnswer,
  type ArcoAsk,
  type DeltaWorkspace,
} from '../../support/delta-workspace.ts'
import { changesBetween, memoryWorkspace, snapshot } from '../../support/workspace.ts'

/** Where the log of a workspace's table really is: the catalog row of `delta-catalog-http` has no location. */
function rootOf({ expect: { table_id } }: DeltaWorkspace): string {
  return `tables/${table_id}`
}

async function askModel(
  writer: ArcoWriter,
  workspace: DeltaWorkspace,
  ask: ArcoAsk,
  now_ms: number,
): Promise<ArcoAnswer> {
  const request = namedRequest(workspace, ask.request)
  const calls = {
    commit: async () => writer.commit(request, now_ms),
    replay_committed: async () => writer.replayCommitted(request),
    http: async () => writer.commitStaged(request, now_ms),
  }
  try {
    const ok = await calls[ask.how]()
    return ask.how === 'http' && ok !== null ? { status: 200, body: ok } : { ok }
  } catch (error) {
    if (!(error instanceof ArcoError)) throw error
    const { kind, message } = error
    if (ask.how !== 'http') return { error: { kind, message } }
    return { status: 409, body: { code: 'CONFLICT', message: message.replace(/^[a-z ]+: /, '') } }
  }
}

/** Markers written by the machine's clock hold a time of their own. */
function withoutClock(changes: Record<string, string | null>, ask: ArcoAsk): Record<string, string | null> {
  return ask.now_ms === null
    ? Object.fromEntries(
        Object.entries(changes).map(([path, text]) => [
          path,
          text?.replace(/"committed_at_ms":\d+/, '"committed_at_ms":0') ?? null,
        ]),
      )
    : changes
}

const WORKSPACES = deltaWorkspaces()

test('the model is asked all 108 asks', () => {
  expect(WORKSPACES.flatMap(({ expect: { asks } }) => asks)).toHaveLength(108)
})

describe.each(WORKSPACES)('F15 the model of the reference in $name', (workspace) => {
  test.each(workspace.expect.asks)('answers and stores as Arco did: $how, $ask', async (ask) => {
    const store = memoryWorkspace(workspace)
    const { table_id } = workspace.expect
    const writer = arcoWriter(scopedStore(store, workspace.scope), { table_id, root: rootOf(workspace) })
    const now_ms = clockOf(workspace, ask)
    const before = await snapshot(store, '')

    expect(await askModel(writer, workspace, ask, now_ms)).toEqual(ask.answer)
    const changes = changesBetween(before, await snapshot(store, ''))
    expect(withoutClock(changes, ask)).toEqual(withoutClock(ask.changes, ask))

    const again = ask.again === null ? null : await askModel(writer, workspace, ask, now_ms + 5)
    expect(again).toEqual(ask.again)
    const state = store.peek(`${workspace.prefix}delta/coordinator/${table_id}.json`)
    expect(state === null ? null : JSON.parse(new TextDecoder().decode(state.bytes))).toEqual(ask.state_after)
  })
})
