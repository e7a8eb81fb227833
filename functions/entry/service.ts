/** From a configuration and an open store to an app: what every entry file does alike. */
import { tableResolver, type TableResolver } from '../../lib/protocol/delta/resolve.ts'
import { withLimits } from '../../lib/store/limits.ts'
import type { Scope } from '../../lib/store/scoped.ts'
import type { Certifiable, MaintenanceStore } from '../../lib/store/types.ts'
import { certify } from '../../lib/store/certify.ts'
import { unscopedProbe } from '../../lib/store/unscoped.ts'
import { createApp, type App } from '../app.ts'
import { authenticatorsOf } from '../auth/configured.ts'
import { bucketName } from '../bucket.ts'
import type { Config } from '../config.ts'
import { createLog, type AppLog } from '../logging.ts'
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
}

/** Scopes whose resolvers are kept; more tenants than that share no cache. */
const SCOPES_MAX = 1_000

/**
 * Make the app. Rejects with ConfigError for a configuration that turns out not to work, and with StoreError when a store
 * that is to be certified does not answer.
 */
export async function createService(config: Config, { opened, write, version }: ServiceParts): Promise<App> {
  const { scope, settings, compactor, auth } = config
  const log = createLog({ format: config.log_format, write })
  const authenticators = await authenticatorsOf(auth, scope)
  const resolverFor = resolvers(config)
  const { driver, refusal } = await certified(config, opened.driver, log)
  const store = withLimits(driver)
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
    log,
    writeRefusal: () => refusal,
    version: { ...UNKNOWN_VERSION, ...version },
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
}

/**
 * May the store be written to, and by which driver: certification finds out how this one wants its conditions spelled.
 * What the store said goes to the log only.
 */
async function certified(config: Config, driver: OpenedStore['driver'], log: AppLog): Promise<Certified> {
  const { certification } = driver
  if (certification === undefined || config.certified === true) return { driver, refusal: null }
  if (config.certified === false) {
    const refusal =
      'writes are off until this store is certified: run `npm run doctor` and set TIDEMARK_STORE_CERTIFIED=true'
    return { driver, refusal }
  }
  // A store that is not there proves nothing about itself: the start fails, and is tried again.
  await unscopedProbe(withLimits(driver)).readyCheck()
  const { conclusion, steps, if_match_style } = await certify({ ...driver, certification })
  if (conclusion === 'certified') {
    return { driver: certification.withIfMatchStyle?.(if_match_style) ?? driver, refusal: null }
  }
  const step = steps.find(({ verdict }) => verdict === 'fail' || verdict === 'undecided')
  log.failure('certification', new Error(`${step?.id ?? '?'}: ${step?.detail ?? ''}`))
  const refusal =
    conclusion === 'refused'
      ? `the store failed certification step ${step?.id ?? '?'}; run \`npm run doctor\``
      : 'the store could not be certified when this process started; run `npm run doctor`'
  return { driver, refusal }
}
