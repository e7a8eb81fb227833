/** The operations on the projection under test: the modules that ship, or a copy of them with one rule broken. */
import { compact } from '../../lib/protocol/orchestration/projection/compact.ts'
import { readHead } from '../../lib/protocol/orchestration/projection/head.ts'
import { touch } from '../../lib/protocol/orchestration/projection/publish.ts'
import { readProjection } from '../../lib/protocol/orchestration/projection/read.ts'
import { rebuild } from '../../lib/protocol/orchestration/projection/rebuild.ts'
import { StoreError } from '../../lib/store/types.ts'
import { withMutant, type SourceEdit } from './mutant.ts'

/** What a world of the projection needs of `lib/`. */
export interface ProjectionProtocol {
  readonly compact: typeof compact
  readonly rebuild: typeof rebuild
  readonly readProjection: typeof readProjection
  readonly readHead: typeof readHead
  readonly touch: typeof touch
  /** The generators tell it by `instanceof`. */
  readonly StoreError: typeof StoreError
}

/** The code that ships. */
export const SHIPPED: ProjectionProtocol = { compact, rebuild, readProjection, readHead, touch, StoreError }

/** A change of one file of the projection engine; `find` matches exactly once. */
export interface WrongVariant {
  /** What the variant does wrong. */
  readonly breaks: string
  readonly edits: readonly SourceEdit[]
}

/** Do something with a wrong variant. */
export async function withWrongVariant<T>(
  { edits }: WrongVariant,
  use: (protocol: ProjectionProtocol) => Promise<T>,
): Promise<T> {
  return withMutant(edits, async (load) => {
    const modules = ['compact', 'head', 'publish', 'read', 'rebuild'].map(async (name) =>
      load<Partial<ProjectionProtocol>>(`protocol/orchestration/projection/${name}.ts`),
    )
    modules.push(load('store/types.ts'))
    return use(Object.assign({}, ...(await Promise.all(modules))) as ProjectionProtocol)
  })
}
