/** The ways in which one store request can go wrong (spec/correctness.md 3), and which requests of a run they hit. */
import type { Fault, FaultPlan, FaultyCall } from '../../lib/store/faults.ts'

/** A way for a store operation to go wrong. */
export interface FaultKind {
  readonly name: string
  readonly fault: Exclude<Fault['fault'], 'latency'>
  /** When a late write takes effect. */
  readonly lands?: 'before the re-send' | 'before the replay' | 'after the replay'
  /** A read can fail in this way too, and not as it does with another kind. */
  readonly hits_reads: boolean
}

/** F1, F11, F12, F2, F3 and no answer at all. */
export const FAULT_KINDS: readonly FaultKind[] = [
  { name: 'request lost', fault: 'lost_request', hits_reads: true },
  { name: 'throttled', fault: 'throttle', hits_reads: false },
  { name: '409 conflict', fault: 'conflict', hits_reads: false },
  { name: 'response lost', fault: 'lost_response', hits_reads: true },
  {
    name: 'lands late, before it is sent again',
    fault: 'late',
    lands: 'before the re-send',
    hits_reads: false,
  },
  { name: 'lands late, before the replay', fault: 'late', lands: 'before the replay', hits_reads: false },
  { name: 'lands late, after the replay', fault: 'late', lands: 'after the replay', hits_reads: false },
  { name: 'hangs', fault: 'hang', hits_reads: true },
]

/** How many operations the fault hits, from the first one on. */
export const EXTENTS = [
  'one operation',
  'one read, not repeated',
  'all puts from then on',
  'all from then on',
] as const

/** Which operations of the request the fault hits. */
export interface FaultPoint {
  readonly kind: FaultKind
  /** Number of the first operation that is hit, from 0. */
  readonly at: number
  readonly extent: (typeof EXTENTS)[number]
}

/** Every operation of a run without faults that can be the first to be hit. */
export function faultPoints(
  wire: readonly FaultyCall[],
  kind: FaultKind,
  extent: FaultPoint['extent'],
): readonly FaultPoint[] {
  return wire
    .filter((call) => {
      switch (extent) {
        case 'one operation':
          return call.kind === 'put' || kind.hits_reads
        case 'one read, not repeated':
          return call.kind === 'get' && kind.hits_reads
        case 'all puts from then on':
          return call.kind === 'put'
        case 'all from then on':
          return true
      }
    })
    .map(({ index }) => ({ kind, at: index, extent }))
}

/** The faults of one run. */
export function planOf({ kind, at, extent }: FaultPoint, late: LateWrites): FaultPlan {
  return (call) => {
    if (isHit(call, at, extent)) {
      return kind.fault === 'late' ? { fault: 'late', until: late.hold(call.key) } : { fault: kind.fault }
    }
    return kind.lands === 'before the re-send' && call.kind === 'put'
      ? { fault: 'latency', until: late.land(call.key) }
      : undefined
  }
}

function isHit(call: FaultyCall, at: number, extent: FaultPoint['extent']): boolean {
  switch (extent) {
    case 'one operation':
    case 'one read, not repeated':
      return call.index === at
    case 'all puts from then on':
      return call.index >= at && call.kind === 'put'
    case 'all from then on':
      return call.index >= at
  }
}

/** Writes that their sender has given up and that are still on their way. */
export interface LateWrites {
  hold(key: string): Promise<void>
  /** Let every held write of this key, or of all, land now, in the order in which they were sent. */
  land(key?: string): Promise<void>
}

/** Nothing is on its way yet. `settled` resolves when what was released has had the time to land. */
export function lateWrites(settled: () => Promise<void>): LateWrites {
  const held: { readonly key: string; readonly release: () => void }[] = []
  return {
    async hold(key) {
      return new Promise((release) => {
        held.push({ key, release })
      })
    },
    async land(key) {
      const landing = held.filter((write) => key === undefined || write.key === key)
      for (const write of landing) {
        held.splice(held.indexOf(write), 1)
        write.release()
        await settled()
      }
    },
  }
}
