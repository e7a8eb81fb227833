/** The projection for readers: what is visible now, every layer verified, nothing written (spec/manifests.md 9). */
import type { Protocol } from '../../effects.ts'
import type { FoldState } from '../fold/state.ts'
import { answering } from './answer.ts'
import { deleteChannelProblem } from './delete-channel.ts'
import { readHead } from './head.ts'
import { loadProjection } from './load.ts'
import type { Manifest } from './manifest.ts'
import type { ProjectionFailure } from './outcomes.ts'
import type { Pointer } from './pointer.ts'
import type { ProjectionSettings } from './settings.ts'

/** What a reader sees. */
export interface Projection {
  readonly ok: true
  /** Null when nothing was published with one. */
  readonly pointer: Pointer | null
  /** Null for an empty workspace. */
  readonly manifest: Manifest | null
  /** All rows; take them with `allRows`. */
  readonly state: FoldState
  /** Why no compaction would touch this manifest, or null (M11). Readers are shown it and read on. */
  readonly delete_channel_problem: string | null
}

/** Resolve pointer, manifest and tables. */
export function* readProjection(settings: ProjectionSettings): Protocol<Projection | ProjectionFailure> {
  return (yield* answering(readOrThrow(settings))) as Projection | ProjectionFailure
}

function* readOrThrow(settings: ProjectionSettings): Protocol<Projection> {
  const { pointer, manifest } = yield* readHead()
  // Nothing expires on the read path, whatever the mode.
  const state = yield* loadProjection(manifest, 'understand', settings)
  const delete_channel_problem = manifest === null ? null : deleteChannelProblem(manifest, 'emit')
  return { ok: true, pointer, manifest, state, delete_channel_problem }
}
