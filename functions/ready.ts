/** GET /ready: the store answers (spec/http-api.md 7). One HEAD of a known key; never writes, never lists. */
import * as z from 'zod'
import { unscopedProbe } from '../lib/store/unscoped.ts'
import type { Store } from '../lib/store/types.ts'
import { json, refuse, type Call, type Handler } from './handler.ts'

/** What it answers when the store does; otherwise a problem with `"ready": false`. */
export const Ready = z.object({ ready: z.literal(true) })

const TIMEOUT_MS = 2_000
const CACHE_MS = 1_000

/** A handler with its own cache, so that a storm of probes is one read a second. */
export function readyHandler(store: Store, writeRefusal: () => string | null): Handler {
  const probe = unscopedProbe(store)
  let last: { readonly at_ms: number; readonly is_ready: Promise<boolean> } | null = null

  async function isReady(call: Call): Promise<boolean> {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    try {
      // Absence is success: any answer shows that the store is reachable.
      await Promise.race([probe.readyCheck({ signal }), rejectedBy(signal)])
      return true
    } catch (error) {
      call.failed(error)
      return false
    }
  }

  return async (call: Call) => {
    const now_ms = performance.now()
    if (last === null || now_ms - last.at_ms > CACHE_MS) last = { at_ms: now_ms, is_ready: isReady(call) }
    const why = writeRefusal()
    if (why !== null) {
      return refuse(call, { reason: 'store_not_certified', detail: why, members: { ready: false } })
    }
    if (await last.is_ready) return json({ ready: true } satisfies z.infer<typeof Ready>)
    return refuse(call, {
      reason: 'storage_unavailable',
      detail: 'the store did not answer; the cause is in the log',
      members: { ready: false },
    })
  }
}

/** A driver that ignores its signal must not hold the probe. */
async function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error(`no answer within ${TIMEOUT_MS} ms`)))
  })
}
