/** A driver under the contract behind the fault proxy: what `Wire` and `Service` ask for, in terms of one protocol's answers. */
import type { Driver, ReadFault, Service, Wire, WireFault } from './contract/row.ts'
import { withLimits } from '../../lib/store/limits.ts'
import { startFaultProxy, type FalseAnswer, type FaultProxy, type ProxyFault } from './fault-proxy.ts'
import type { WireRequest } from './http-messages.ts'

/** How one protocol looks on the wire. */
export interface Dialect {
  isWrite(request: WireRequest): boolean
  readonly answers: Record<
    | 'throttle'
    | 'conflict'
    | 'error'
    | 'no_such_bucket'
    | 'no_such_key'
    | 'no_token'
    | 'forbidden'
    | 'expired',
    FalseAnswer
  >
  /** A request by credentials that have expired. */
  isExpired(request: WireRequest): boolean
}

/** Proxies in front of one server: one that breaks single requests, one that never answers. */
export interface WireBench {
  readonly proxy: FaultProxy
  /** Of a store whose requests go to `proxy.origin`; `hanging` is the same over `hang_origin`. */
  wire(hanging: Driver): Wire
  readonly hang_origin: string
  /** All of `Service` that is the proxy's business. */
  readonly service: Pick<Service, 'breakNextRead' | 'conflictForLosers' | 'lastWrite'>
  reset(): void
  close(): Promise<void>
}

const HANG = { attempt_ms: 150, read_attempts: 2, total_ms: 400, sleep: async (): Promise<void> => undefined }

/** Start both in front of a server. */
export async function openWireBench(server_url: string, dialect: Dialect): Promise<WireBench> {
  const { isWrite, answers } = dialect
  const proxy = await startFaultProxy(server_url)
  const hang = await startFaultProxy(server_url)
  hang.setPlan(() => ({ fault: 'hang' }))
  let next_write: ProxyFault | null = null
  let next_read: ProxyFault | null = null
  let has_conflicts = false
  let earlier_writes = 0

  function plan(request: WireRequest): ProxyFault | undefined {
    if (dialect.isExpired(request)) return { fault: 'answer', answer: answers.expired }
    if (!isWrite(request)) {
      const fault = next_read ?? undefined
      next_read = null
      return fault
    }
    const fault = next_write
    next_write = null
    if (fault !== null) return fault
    const losers = (real: number): FalseAnswer | null => (real === 412 ? answers.conflict : null)
    return has_conflicts ? { fault: 'answer_after', answer: losers } : undefined
  }
  proxy.setPlan(plan)

  const faultOf = (fault: WireFault): ProxyFault => {
    switch (fault) {
      case 'lost_request':
        return { fault: 'reset' }
      case 'lost_response':
        return { fault: 'reset_after' }
      case 'error_after':
        return { fault: 'answer_after', answer: answers.error }
      case 'not_modified':
        return { fault: 'answer', answer: { status: 304 } }
      case 'no_token':
        return { fault: 'answer_after', answer: answers.no_token }
      case 'throttle':
      case 'conflict':
      case 'no_such_bucket':
      case 'no_such_key':
        return { fault: 'answer', answer: answers[fault] }
    }
  }

  const readFaultOf = (fault: ReadFault): ProxyFault => {
    switch (fault) {
      case 'forbidden':
      case 'no_such_bucket':
        return { fault: 'answer', answer: answers[fault] }
      case 'foreign_404':
        return {
          fault: 'answer',
          answer: { status: 404, headers: { 'content-type': 'text/plain' }, body: 'default backend - 404' },
        }
      case 'no_token':
        return { fault: 'answer', answer: { status: 200, body: 'one' } }
      case 'truncated':
        return { fault: 'truncate', where: 'body' }
    }
  }

  const writes = (): number => earlier_writes + [...proxy.requests, ...hang.requests].filter(isWrite).length
  return {
    proxy,
    hang_origin: hang.origin,
    wire: (hanging) => ({
      writes,
      breakNextWrite: (fault) => void (next_write = faultOf(fault)),
      holdNextWrite() {
        let release: (() => void) | undefined
        let told: ((status: number) => void) | undefined
        const until = new Promise<void>((resolve) => (release = resolve))
        const delivered = new Promise<number>((resolve) => (told = resolve))
        next_write = { fault: 'late', until, delivered: (status) => told?.(status) }
        return {
          async deliver() {
            release?.()
            return (await delivered) < 300 ? 'applied' : 'refused'
          },
        }
      },
      hangingClient: () => ({ store: withLimits(hanging, HANG), deadline_ms: HANG.total_ms }),
    }),
    service: {
      breakNextRead: (fault) => void (next_read = readFaultOf(fault)),
      conflictForLosers: () => void (has_conflicts = true),
      lastWrite() {
        const last = proxy.requests.findLast(isWrite)
        if (last === undefined) throw new Error('nothing was written')
        return last
      },
    },
    reset() {
      earlier_writes = writes()
      for (const each of [proxy, hang]) each.requests.splice(0)
      next_write = null
      next_read = null
      has_conflicts = false
    },
    async close() {
      await Promise.all([proxy.close(), hang.close()])
    },
  }
}
