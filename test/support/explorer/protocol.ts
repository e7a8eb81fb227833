/** The operations under test: the production modules, or a copy of them with one rule broken (`mutate.ts`). */
import { commit } from '../../../lib/protocol/delta/commit.ts'
import { inspect } from '../../../lib/protocol/delta/inspect.ts'
import { recover } from '../../../lib/protocol/delta/recover.ts'
import { stage } from '../../../lib/protocol/delta/stage.ts'
import { StoreError } from '../../../lib/store/types.ts'

/** What an explored world needs of `lib/`. `StoreError` comes along because the generators tell it by `instanceof`. */
export interface DeltaProtocol {
  readonly commit: typeof commit
  readonly inspect: typeof inspect
  readonly recover: typeof recover
  readonly stage: typeof stage
  readonly StoreError: typeof StoreError
}

/** The code that ships. */
export const PRODUCTION: DeltaProtocol = { commit, inspect, recover, stage, StoreError }
