/** From a configuration and an open store to an app: what every entry file does alike. */
import { tableResolver, type TableResolver } from '../../lib/protocol/delta/resolve.ts'
import { withLimits } from '../../lib/store/limits.ts'
import type { Scope } from '../../lib/store/scoped.ts'
import type { Certifiable, MaintenanceStore } from '../../lib/store/types.ts'
import { unscopedProbe } from '../../lib/store/unscoped.ts'
import { createApp, type App } from '../app.ts'
import { authenticatorsOf } from '../auth/configured.ts'
import { bucketName } from '../bucket.ts'
import type { Config } from '../config.ts'
import { createLog, type AppLog } from '../logging.ts'
import { createMetrics } from '../metrics/catalogue.ts'
import { createRateLimiter } from '../rate-limit.ts'
import type { Tracer } from '../tracing.ts'
import { createTurns } from '../turns.ts'
import { UNKNOWN_VERSION, type VersionInfo } from '../version.ts'

/** A driver; one of a real service must be certified before it may be written to (spec/providers.md 7). */
export interface OpenedStore {
  readonly driver: MaintenanceStore & Partial<Certifiable>
}

/** What only the entry file knows. */
export interface ServiceParts {
  readonly opened: OpenedStore
  /** Where log lines go. */
  write(line: string): void
  readonly version?: Partial<VersionInfo>
  /** Where spans go. */
  readonly tracer?: Tracer | null
  /** What one set of counters is about; a process unless told. */
  readonly counted_by?: 'process' | 'isolate'
  /** Call a function again and again; a runtime that ends between requests leaves it out. */
  every?(interval_ms: number, work: () => Promise<void>): void
}

/** Scopes whose resolvers are kept; more tenants than that share no cache. */
const SCOPES_MAX = 1_000

/**
 * Make the app. Rejects with ConfigError for a configuration that turns out not to work, and with StoreError when a store
 * that is to be certified does not answer.
 */
export async function createService(config: Config, parts: ServiceParts): Promise<App> {
  const { scope, settings, compactor, automation, auth, limits, health } = config
  const { opened, write, version, tracer = null, counted_by } = parts
  const log = createLog({ format: config.log_format, write })
  const authenticators = await authenticatorsOf(auth, scope)
  const resolverFor = resolvers(config)
  const { driver, refusal, certified_at_ms } = await certified(config, opened.driver, log)
  const store = withLimits(driver)
  const metrics = createMetrics(counted_by)
  const writeRefusal = (): string | null => refusal
  if (automation !== null && parts.every !== undefined) {
    // With it comes the reconciler, which a runtime without a clock of its own never runs.
    const { repairAutomation } = await import('../repair-automation.ts')
    const resolver = resolverFor(scope)
    const own = {
      maintenance_store: store,
      scope,
      resolver,
      compactor,
      automation,
      log,
      metrics,
      writeRefusal,
    }
    parts.every(automation.interval_ms, repairAutomation(own))
  }
  return createApp({
    ...authenticators,
    lower_case_ids: auth.lower_case_ids,
    store,
    maintenance_store: store,
    scope,
    resolver: resolverFor(scope),
    resolverFor,
    settings,
    compactor,
    health,
    certified_at_ms,
    log,
    writeRefusal,
    version: { ...UNKNOWN_VERSION, ...version },
    metrics,
    metrics_access: limits.metrics_access,
    turns: createTurns(),
    ...(limits.rate_limits === null ? {} : { rate_limiter: createRateLimiter(limits.rate_limits) }),
    ...(tracer === null ? {} : { tracer }),
  })
}

/** One resolver a scope, because each holds a cache; the scope used longest ago goes first. */
function resolvers(config: Config): (scope: Scope) => TableResolver {
  const kept = new Map<string, TableResolver>()
  return (scope) => {
    const name = `${scope.tenant}/${scope.workspace}`
    const resolver =
      kept.get(name) ?? tableResolver(config.resolver, { ...scope, bucket: bucketName(config.bucket) })
    kept.delete(name)
    kept.set(name, resolver)
    const [oldest] = kept.keys()
    if (kept.size > SCOPES_MAX && oldest !== undefined) kept.delete(oldest)
    return resolver
  }
}

interface Certified {
  readonly driver: MaintenanceStore
  /** Why the store may not be written to, or null. */
  readonly refusal: string | null
  /** When somebody looked, epoch ms; null when nobody said, or the driver needs none. */
  readonly certified_at_ms: number | null
}

/**
 * May the store be written to, and by which driver: certification finds out how this one wants its conditions spelled.
 * What the store said goes to the log only.
 */
async function certified(config: Config, driver: OpenedStore['driver'], log: AppLog): Promise<Certified> {
  const { certification } = driver
  if (certification === undefined) return { driver, refusal: null, certified_at_ms: null }
  if (config.certified === true)
    return { driver, refusal: null, certified_at_ms: config.health.certified_at_ms }
  if (config.certified === false) {
    const refusal =
      'writes are off until this store is certified: run `npm run doctor` and set TIDEMARK_STORE_CERTIFIED=true'
    return { driver, refusal, certified_at_ms: null }
  }
  // A store that is not there proves nothing about itself: the start fails, and is tried again.
  await unscopedProbe(withLimits(driver)).readyCheck()
  // Only then: a worker that is told that its store is certified reads nothing of it.
  const { certify } = await import('../../lib/store/certify.ts')
  const { conclusion, steps, if_match_style } = await certify({ ...driver, certification })
  if (conclusion === 'certified') {
    return {
      driver: certification.withIfMatchStyle?.(if_match_style) ?? driver,
      refusal: null,
      certified_at_ms: Date.now(),
    }
  }
  const step = steps.find(({ verdict }) => verdict === 'fail' || verdict === 'undecided')
  log.failure('certification', new Error(`${step?.id ?? '?'}: ${step?.detail ?? ''}`))
  const refusal =
    conclusion === 'refused'
      ? `the store failed certification step ${step?.id ?? '?'}; run \`npm run doctor\``
      : 'the store could not be certified when this process started; run `npm run doctor`'
  return { driver, refusal, certified_at_ms: null }
}
