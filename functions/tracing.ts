/**
 * Spans of a request and of its store calls (S40). The names are those of routes and of kinds of objects; the attributes hold
 * counts, outcomes and hashes, never a key, a body or a header. What becomes of a span is the entry file's business:
 * without an exporter there are none.
 */
import { sha256Hex } from '../lib/protocol/sha256.ts'
import type { GetResult, PutResult, Store } from '../lib/store/types.ts'
import { pathClass } from './path-class.ts'

/** What a span says. */
export type Attributes = Readonly<Record<string, string | number | boolean>>

/** Something that takes time. */
export interface Span {
  /** 32 hex digits, for the log line. */
  readonly trace_id: string
  /** Begin a part of it. */
  child(name: string, attributes: Attributes): Span
  set(attributes: Attributes): void
  /** `failed`: a person should look. */
  end(options?: { readonly failed?: boolean }): void
}

/** Where spans go. */
export interface Tracer {
  /** Begin the span of a request, below that of its sender where it names one. */
  request(name: string, attributes: Attributes, parent: SpanParent | null): Span
  /** Send what has ended. Takes a bounded time and never fails. */
  flush(): Promise<void>
}

/** The sender's span, as `traceparent` has it. */
export interface SpanParent {
  readonly trace_id: string
  readonly span_id: string
  readonly is_sampled: boolean
}

/** The header of W3C Trace Context; null when it is absent or not one. */
export function parentOf(headers: Headers): SpanParent | null {
  const fields = TRACEPARENT.exec(headers.get('traceparent') ?? '')
  const [, version = '', trace_id = '', span_id = '', flags = '', more = ''] = fields ?? []
  const is_usable = fields !== null && version !== 'ff' && (version !== '00' || more === '')
  if (!is_usable || /^0+$/.test(trace_id) || /^0+$/.test(span_id)) return null
  return { trace_id, span_id, is_sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

/** Later versions may append fields to those of version 00. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})((?:-.*)?)$/

/** The same store, each of whose calls is a span below `span`. Paths are those of the scope. */
export function tracedStore(store: Store, span: Span): Store {
  async function traced<T extends GetResult | PutResult | { readonly outcome: string }>(
    kind: 'get' | 'head' | 'put',
    path: string,
    call: () => Promise<T>,
    bytes?: number,
  ): Promise<T> {
    const part = span.child(`store.${kind} ${pathClass(path)}`, {
      'tidemark.store.operation': kind,
      'tidemark.store.path_class': pathClass(path),
      'tidemark.store.path_sha256': sha256Hex(path),
      ...(bytes === undefined ? {} : { 'tidemark.store.bytes': bytes }),
    })
    try {
      const result = await call()
      part.set({ 'tidemark.store.outcome': result.outcome, ...sizeOf(result) })
      part.end({ failed: result.outcome === 'unknown' })
      return result
    } catch (error) {
      part.set({ 'tidemark.store.outcome': 'failed' })
      part.end({ failed: true })
      throw error
    }
  }
  return {
    capabilities: store.capabilities,
    get: async (path, options) => traced('get', path, async () => store.get(path, options)),
    head: async (path, options) => traced('head', path, async () => store.head(path, options)),
    put: async (path, bytes, precondition, options) =>
      traced('put', path, async () => store.put(path, bytes, precondition, options), bytes.length),
  }
}

function sizeOf(result: object): Attributes {
  return 'bytes' in result && result.bytes instanceof Uint8Array
    ? { 'tidemark.store.bytes': result.bytes.length }
    : {}
}

/** What the span of a request says at its end: the facts of its log line that are nobody's name. */
export function requestAttributes(
  status: number,
  facts: Readonly<Record<string, string | number | boolean>>,
): Attributes {
  const shown = SHOWN.filter((name) => facts[name] !== undefined)
  return {
    'http.response.status_code': status,
    ...Object.fromEntries(shown.map((name) => [`tidemark.${name}`, facts[name] ?? ''])),
  }
}

const SHOWN = [
  'reason',
  'outcome',
  'version',
  'action',
  'key_sha256',
  'mode',
  'dry_run',
  'events_listed',
  'events_processed',
  'revisions',
  'remaining',
  'store_rounds',
] as const
