/** From a configuration and an open store to an app: what every entry file does alike. */
import { tableResolver, type TableResolver } from '../../lib/protocol/delta/resolve.ts'
import { withLimits } from '../../lib/store/limits.ts'
import type { Scope } from '../../lib/store/scoped.ts'
import type { Certifiable, MaintenanceStore } from '../../lib/store/types.ts'
import { certify } from '../../lib/store/certify.ts'
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

/** Make the app. Rejects for a configuration that cannot work, such as a public key that does not parse. */
export async function createService(config: Config, { opened, write, version }: ServiceParts): Promise<App> {
  const { scope, settings } = config
  const log = createLog({ format: config.log_format, write })
  const authenticators = await authenticatorsOf(config.auth, scope, {
    tell: (why) => log.failure('report-only', new Error(why)),
  })
  const resolverFor = resolvers(config)
  const refusal = await writeRefusalOf(config, opened.driver, log)
  return createApp({
    ...authenticators,
    store: withLimits(opened.driver),
    scope,
    resolver: resolverFor(scope),
    resolverFor,
    settings,
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

/** Why the store may not be written to, or null. What the store said goes to the log only. */
async function writeRefusalOf(
  { certified }: Config,
  driver: OpenedStore['driver'],
  log: AppLog,
): Promise<string | null> {
  const { certification } = driver
  if (certification === undefined || certified === true) return null
  if (certified === false) {
    return 'writes are off until this store is certified: run `npm run doctor` and set TIDEMARK_STORE_CERTIFIED=true'
  }
  const { conclusion, steps } = await certify({ ...driver, certification })
  if (conclusion === 'certified') return null
  const step = steps.find(({ verdict }) => verdict === 'fail' || verdict === 'undecided')
  log.failure('certification', new Error(`${step?.id ?? '?'}: ${step?.detail ?? ''}`))
  return conclusion === 'refused'
    ? `the store failed certification step ${step?.id ?? '?'}; run \`npm run doctor\``
    : `the store could not be certified when this process started; run \`npm run doctor\``
}
