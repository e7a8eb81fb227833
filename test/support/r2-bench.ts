/** The R2 driver under the contract, over a real binding. Runs inside workerd; a faulty network is a binding that fails. */
import { withLimits } from '../../lib/store/limits.ts'
import { r2Store, type R2BucketBinding, type R2Condition, type R2Object } from '../../lib/store/r2.ts'
import type { TokenFormat } from '../../lib/store/tokens.ts'
import type { ContractStore, Gateway, WireFault } from './contract/row.ts'
import { fates, type ResolverStores } from './resolver-runs.ts'

type PutArguments = Parameters<R2BucketBinding['put']>

/** What happens to one put of the binding. */
type PutFault = (call: () => Promise<R2Object | null>) => Promise<R2Object | null>

/** As workerd says it when the connection to R2 breaks. */
const NETWORK_LOST = 'Network connection lost.'

/** As R2 says it: the message ends with its code. */
const INTERNAL_ERROR = 'put: We encountered an internal error. Please try again. (10001)'
const RATE_LIMITED = 'put: Reduce your concurrent request rate for the same object. (10058)'

const HANG = { attempt_ms: 150, read_attempts: 2, total_ms: 400, sleep: async (): Promise<void> => undefined }

/** A store over the binding with everything that the contract looks at. */
export function r2Contract(bucket: R2BucketBinding, token_format: TokenFormat): ContractStore {
  let writes = 0
  let next: PutFault | null = null
  const seen: R2Condition[] = []
  const watched: R2BucketBinding = {
    ...callsOf(bucket),
    async get(key, options) {
      if (options?.onlyIf !== undefined) seen.push(options.onlyIf)
      return bucket.get(key, options)
    },
    async put(...call) {
      writes += 1
      if (call[2].onlyIf !== undefined) seen.push(call[2].onlyIf)
      const fault = next
      next = null
      return fault === null ? bucket.put(...call) : fault(async () => bucket.put(...call))
    },
  }
  const driver = r2Store(watched, { token_format })
  return {
    store: driver,
    another: () => r2Store(bucket, { token_format }),
    rawBytes: async (key) => rawBytes(bucket, key),
    wire: {
      writes: () => writes,
      breakNextWrite: (fault) => void (next = faultOf(fault)),
      holdNextWrite() {
        let held: (() => Promise<R2Object | null>) | null = null
        next = async (call) => {
          held = call
          throw new Error(NETWORK_LOST)
        }
        return {
          async deliver() {
            if (held === null) throw new Error('no write was held back')
            return (await held()) === null ? 'refused' : 'applied'
          },
        }
      },
      hangingClient() {
        const never = async (): Promise<never> => new Promise<never>(() => undefined)
        const hanging: R2BucketBinding = {
          ...callsOf(bucket),
          get: never,
          head: never,
          async put() {
            writes += 1
            return never()
          },
        }
        return { store: withLimits(r2Store(hanging, { token_format }), HANG), deadline_ms: HANG.total_ms }
      },
    },
    service: {
      driver,
      conditions: () => seen.map((each) => ({ ...each })),
      behind: (how) => r2Store({ ...callsOf(bucket), put: brokenPut(bucket, how) }, { token_format }),
      breakNextRead: notHere,
      conflictForLosers: notHere,
      lastWrite: notHere,
      expired: notHere,
    },
  }
}

/** Two ways to the binding: one on which requests meet their fates. */
export function r2ResolverStores(bucket: R2BucketBinding, seed: number): ResolverStores {
  const fateOf = fates(seed)
  async function meet<T>(kind: 'read' | 'write', call: () => Promise<T>): Promise<T> {
    const fate = fateOf(kind)
    if (fate === 'lost_request') throw new Error(NETWORK_LOST)
    const result = await call()
    if (fate === 'lost_response') throw new Error(NETWORK_LOST)
    return result
  }
  const faulty: R2BucketBinding = {
    ...callsOf(bucket),
    get: async (...call) => meet('read', async () => bucket.get(...call)),
    put: async (...call) => meet('write', async () => bucket.put(...call)),
  }
  return { faulty: r2Store(faulty), healthy: r2Store(bucket) }
}

/** Rows that need it are listed as not applicable. */
function notHere(): never {
  throw new Error('a binding has no answers, no wire and no credentials')
}

/** A binding's methods are not its own properties. */
function callsOf(bucket: R2BucketBinding): R2BucketBinding {
  return {
    get: async (...call) => bucket.get(...call),
    head: async (...call) => bucket.head(...call),
    put: async (...call) => bucket.put(...call),
    delete: async (...call) => bucket.delete(...call),
    list: async (...call) => bucket.list(...call),
  }
}

function faultOf(fault: WireFault): PutFault {
  const failing =
    (message: string): PutFault =>
    async () =>
      Promise.reject(new Error(message))
  const failingAfter =
    (message: string): PutFault =>
    async (call) => {
      await call()
      throw new Error(message)
    }
  switch (fault) {
    case 'lost_request':
      return failing(NETWORK_LOST)
    case 'lost_response':
      return failingAfter(NETWORK_LOST)
    case 'error_after':
      return failingAfter(INTERNAL_ERROR)
    case 'throttle':
      return failing(RATE_LIMITED)
    case 'conflict':
    case 'not_modified':
    case 'no_token':
    case 'no_such_bucket':
    case 'no_such_key':
      return notHere()
  }
}

function brokenPut(bucket: R2BucketBinding, how: Gateway): R2BucketBinding['put'] {
  return async (...[key, value, { onlyIf, ...options }]: PutArguments) => {
    switch (how) {
      case 'ignores_create':
        return bucket.put(key, value, onlyIf?.etagMatches === undefined ? options : { ...options, onlyIf })
      case 'ignores_replace':
        return bucket.put(
          key,
          value,
          onlyIf?.etagMatches !== undefined ? options : { ...options, ...(onlyIf && { onlyIf }) },
        )
      case 'checks_then_writes': {
        const found = await bucket.head(key)
        const holds =
          onlyIf?.etagMatches === undefined
            ? onlyIf === undefined || found === null
            : found?.etag === onlyIf.etagMatches
        await new Promise((later) => setTimeout(later, 20))
        return holds ? bucket.put(key, value, options) : null
      }
      case 'wants_quoted':
      case 'wants_unquoted':
        return notHere()
    }
  }
}

async function rawBytes(bucket: R2BucketBinding, key: string): Promise<Uint8Array> {
  const found = await bucket.get(key)
  const chunks: Uint8Array[] = []
  for await (const chunk of found?.body ?? []) chunks.push(chunk)
  return new Uint8Array(await new Blob(chunks.map((chunk) => chunk.slice())).arrayBuffer())
}
