/** The compaction lock for operators (spec/locks-and-fencing.md 4.4, 4.5): look at it, end a lease whose holder is gone. */
import type * as z from 'zod'
import { parseShape } from '../lib/protocol/delta/commit-input.ts'
import { LOCK_PATH } from '../lib/protocol/orchestration/paths.ts'
import { breakCompactionLock, compactionLock } from '../lib/protocol/orchestration/projection/lock-control.ts'
import { BREAK_LOCK_BODY_BYTES_MAX } from './body.ts'
import { performOnProjection } from './compactor.ts'
import { bodyOf, json, refuse, type Call } from './handler.ts'
import { projectionProblem } from './projection-problem.ts'
import { BreakLockBody, type LockBody } from './standing.ts'

/** GET /internal/locks/orchestration; nothing is written. */
export async function handleLock(call: Call): Promise<Response> {
  const result = await performOnProjection(call, compactionLock())
  if (!result.ok) return refuse(call, projectionProblem(result))
  const { held, left_ms, pointer_epoch, record } = result
  const { lock_scope } = call.service.compactor
  const answer = { lock_path: LOCK_PATH, lock_scope, held, left_ms, pointer_epoch, record }
  return json(answer satisfies z.infer<typeof LockBody>)
}

/** POST /internal/locks/orchestration/force-break; answers with the lock as it is then. */
export async function handleBreakLock(call: Call): Promise<Response> {
  const body = await bodyOf(call, BREAK_LOCK_BODY_BYTES_MAX)
  if (body instanceof Response) return body
  const shape = parseShape(BreakLockBody, body)
  if (!shape.ok) return refuse(call, shape)
  const { reason, sequence } = shape.value
  if (reason.trim() === '') return refuse(call, { reason: 'bad_request', detail: 'reason must not be empty' })
  if (sequence !== undefined && sequence < 0) {
    return refuse(call, { reason: 'bad_request', detail: 'sequence must be >= 0' })
  }
  call.facts['why'] = reason
  const result = await performOnProjection(
    call,
    breakCompactionLock(sequence === undefined ? {} : { sequence }),
  )
  if (result.ok) return handleLock(call)
  return refuse(call, projectionProblem(result))
}
