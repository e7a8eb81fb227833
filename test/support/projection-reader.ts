/**
 * A reader of a projection in a process of its own: `node test/support/projection-reader.ts FOLDER`. It resolves the
 * pointer again and again and prints what each look came to, one line of JSON, until its stdin ends.
 */
import { createHash } from 'node:crypto'
import { createEnvironment } from '../../functions/environment.ts'
import { readProjection } from '../../lib/protocol/orchestration/projection/read.ts'
import type { ProjectionSettings } from '../../lib/protocol/orchestration/projection/settings.ts'
import { DEFAULT_PROJECTION_SETTINGS } from '../../lib/protocol/orchestration/projection/settings.ts'
import type { FoldState } from '../../lib/protocol/orchestration/fold/state.ts'
import { run, type Environment } from '../../lib/protocol/run.ts'
import { fsStore } from '../../lib/store/fs.ts'
import { scopedStore } from '../../lib/store/scoped.ts'
import type { Store } from '../../lib/store/types.ts'
import { textOfState } from './projection.ts'

/** The workspace that is read. */
export const READER_SETTINGS: ProjectionSettings = {
  ...DEFAULT_PROJECTION_SETTINGS,
  scope: { tenant: 'acme', workspace: 'prod' },
  tombstones: 'emit',
}

/** What one look at the projection came to. */
export type Look =
  | {
      readonly ok: true
      /** Null before anything is published. */
      readonly manifest_id: string | null
      readonly watermark: string | null
      /** Of all rows of all tables. */
      readonly digest: string
      readonly ended_ms: number
    }
  | { readonly ok: false; readonly problem: string; readonly ended_ms: number }

/** Look once. */
export async function look(store: Store): Promise<Look> {
  const seen = await run(readProjection(READER_SETTINGS), readerEnvironment(store))
  const ended_ms = Date.now()
  if (!seen.ok) return { ok: false, problem: JSON.stringify(seen), ended_ms }
  if (seen.delete_channel_problem !== null)
    return { ok: false, problem: seen.delete_channel_problem, ended_ms }
  return {
    ok: true,
    manifest_id: seen.manifest?.manifest_id ?? null,
    watermark: seen.manifest?.watermarks.last_visible_event_id ?? null,
    digest: digestOf(seen.state),
    ended_ms,
  }
}

/** One short text for equal states. */
export function digestOf(state: FoldState): string {
  return createHash('sha256').update(textOfState(state)).digest('hex')
}

/** An environment on a store, with the system's clock. */
export function readerEnvironment(store: Store): Environment {
  const resolver = {
    resolve: () => {
      throw new Error('no table is resolved here')
    },
    knownRoot: () => null,
  }
  return createEnvironment({ store, resolver, note: () => undefined })
}

if (import.meta.main) {
  const store = scopedStore(fsStore(process.argv[2] ?? ''), READER_SETTINGS.scope)
  let is_wanted = true
  process.stdin.on('end', () => (is_wanted = false)).resume()
  while (is_wanted) console.log(JSON.stringify(await look(store)))
  process.exit()
}
