/** `GET /internal/inspect/projection`, `…/lock` and the look-up of a key: who acts next, when, and by which request. */
import { describe, expect, test } from 'vitest'
import { memoryStore } from '../../lib/store/memory.ts'
import { commitCrashed, CRASH_WINDOWS } from '../support/crash-windows.ts'
import { compactorBench, type CompactorBench } from '../support/compactor-bench.ts'
import { expectProblem } from '../support/problems.ts'
import { eventsAt } from '../support/projection-events.ts'
import { freshId } from '../support/service.ts'

const STATE = 'state/orchestration'
const POINTER = `${STATE}/manifest.pointer.json`
const LOCK = 'locks/orchestration.compaction.lock.json'

async function published(): Promise<CompactorBench> {
  const made = compactorBench({ store: memoryStore() })
  await made.compact({ event_paths: made.append(eventsAt(0, 3)) })
  return made
}

const inspect = async (made: CompactorBench) => made.service.request('GET', '/internal/inspect/projection')
