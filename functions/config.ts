/**
 * Configuration from environment variables: one schema, every problem reported at once, and no start with a wrong
 * one (decisions.md, Configuration).
 */
import * as z from 'zod'
import { isScopeId, type Scope } from '../lib/store/scoped.ts'
import { parseTableId } from '../lib/protocol/ids.ts'
import { parseJson } from '../lib/protocol/json.ts'
import type { ResolverConfig } from '../lib/protocol/delta/resolve.ts'
import { DEFAULT_SETTINGS, type DeltaSettings } from '../lib/protocol/delta/settings.ts'
import { normaliseRoot, type RootContext } from '../lib/protocol/delta/table-root.ts'
import { BUCKET_FORMS, bucketName, parseBucket, type Bucket } from './bucket.ts'
import type { CompactorSettings } from './compactor-settings.ts'
import { AutomationVariables, automationOf, type AutomationConfig } from './config-automation.ts'
import { compactorProblems, compactorSettingsOf, CompactorVariables } from './config-compactor.ts'
import { limitsConfigOf, LimitsVariables, type LimitsConfig } from './config-limits.ts'
import { healthConfigOf, healthProblems, HealthVariables, type HealthConfig } from './config-health.ts'
import { authConfigOf, AuthVariables, ConfigError, type AuthConfig } from './config-auth.ts'

export { ConfigError }

/** Everything that the environment decides. */
export interface Config {
  readonly bucket: Bucket
  /** Scope of the compactor routes and of single-scope mode. */
  readonly scope: Scope
  readonly host: string
  readonly port: number
  readonly token_format: 'plain' | 'reference'
  readonly if_match_style: 'quoted' | 'unquoted'
  /** Whether the operator ran `doctor`, or wants it done at every start. */
  readonly certified: boolean | 'startup'
  readonly resolver: ResolverConfig
  readonly settings: DeltaSettings
  readonly compactor: CompactorSettings
  /** What a runtime with a clock of its own does by itself; null for nothing. */
  readonly automation: AutomationConfig | null
  readonly log_format: 'json' | 'text'
  readonly auth: AuthConfig
  readonly limits: LimitsConfig
  readonly health: HealthConfig
}

/** The configuration, or every reason why there is none. */
export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly string[] }

/** What a runtime can do for the configuration. */
export interface ConfigOptions {
  /** Reads `ARCO_JWT_PUBLIC_KEY_PATH`; throws when it cannot. Runtimes without files leave it out. */
  readonly readFile?: (path: string) => string
}

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost'])

const RESOLVER_MODES = ['legacy', 'static', 'catalog'] as const

const port = z
  .string()
  .regex(/^\d{1,5}$/, 'expected a port number, 0 to 65535')
  .transform(Number)
  .refine((value) => value <= 65_535, 'expected a port number, 0 to 65535')
const scopeId = z.string().refine(isScopeId, 'expected a-z, 0-9, - and _ only')
const tableList = z
  .string()
  .refine(
    (text) => text === '*' || text.split(',').every((id) => parseTableId(id.trim()) !== null),
    'expected * or a comma list of table ids',
  )
const bucket = z.string().transform((text, context) => {
  const parsed = parseBucket(text)
  if (parsed === null) context.addIssue(`expected ${BUCKET_FORMS}`)
  return parsed ?? z.NEVER
})

const Variables = AuthVariables.extend({
  ...CompactorVariables.shape,
  ...AutomationVariables.shape,
  ...LimitsVariables.shape,
  ...HealthVariables.shape,
  ARCO_STORAGE_BUCKET: bucket.default({ kind: 'file', dir: '.tidemark' }),
  ARCO_TENANT_ID: scopeId.optional(),
  ARCO_WORKSPACE_ID: scopeId.optional(),
  ARCO_LOG_FORMAT: z.enum(['json', 'text'], { error: 'expected json or text' }).default('json'),
  PORT: port.optional(),
  ARCO_HTTP_PORT: port.optional(),
  TIDEMARK_HOST: z.string().default('127.0.0.1'),
  TIDEMARK_STORE_CERTIFIED: z
    .enum(['true', 'false', 'startup'], { error: 'expected true, false or startup' })
    .default('false'),
  TIDEMARK_S3_IF_MATCH: z
    .enum(['quoted', 'unquoted'], { error: 'expected quoted or unquoted' })
    .default('quoted'),
  TIDEMARK_RESOLVER: z.enum(RESOLVER_MODES, { error: 'expected legacy, static or catalog' }).optional(),
  // Looked at by resolverOf, with the mode.
  TIDEMARK_TABLES: z.string().optional(),
  TIDEMARK_STAGE_VALIDATION: z
    .enum(['strict', 'opaque'], { error: 'expected strict or opaque' })
    .default('strict'),
  TIDEMARK_TOKEN_FORMAT: z
    .enum(['plain', 'reference'], { error: 'expected plain or reference' })
    .default('plain'),
  TIDEMARK_ADOPT_TABLES: tableList.optional(),
  TIDEMARK_SEAL_TABLES: tableList.optional(),
})
type Variables = z.infer<typeof Variables>

/** The configuration; throws ConfigError with every problem, one a line. */
export function configFrom(
  env: Readonly<Record<string, string | undefined>>,
  options: ConfigOptions = {},
): Config {
  const read = readConfig(env, options)
  if (read.ok) return read.config
  throw new ConfigError(read.problems)
}

/** Read the environment. An empty variable counts as unset. */
export function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  options: ConfigOptions = {},
): ConfigResult {
  const set = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value.trim() !== ''),
  )
  const { variables, problems } = parseVariables(set)
  const wrong = new Set(problems.map(nameIn))
  const also = (more: readonly string[]): void => {
    // What follows from a variable that is wrong anyway is not said again.
    problems.push(...more.filter((problem) => !wrong.has(nameIn(problem))))
  }
  const scope = scopeOf(variables)
  const resolver = resolverOf(set, contextOf(variables, scope))
  if (!resolver.ok) also(resolver.problems)
  also(compactorProblems(variables))
  also(healthProblems(variables))
  const auth = authConfigOf(variables, { is_local: isLocal(variables), ...options })
  also(auth.ok ? postureProblems(variables, auth.auth) : auth.problems)
  if (!auth.ok || !resolver.ok || problems.length > 0) return { ok: false, problems }
  return { ok: true, config: configOf(variables, { scope, resolver: resolver.resolver, auth: auth.auth }) }
}

/** The variables, with the default of each that is wrong, so that the others are checked all the same. */
function parseVariables(set: Readonly<Record<string, string | undefined>>): {
  readonly variables: Variables
  readonly problems: string[]
} {
  const parsed = Variables.safeParse(set)
  if (parsed.success) return { variables: parsed.data, problems: [] }
  const { issues } = parsed.error
  const wrong = new Set(issues.map(({ path }) => String(path[0])))
  const rest = Object.fromEntries(Object.entries(set).filter(([name]) => !wrong.has(name)))
  return {
    variables: Variables.parse(rest),
    problems: issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`),
  }
}

/** The variable that a problem is about. */
function nameIn(problem: string): string {
  return problem.split(':', 1)[0] ?? ''
}

function configOf(variables: Variables, parts: Pick<Config, 'scope' | 'resolver' | 'auth'>): Config {
  const { TIDEMARK_STORE_CERTIFIED: certified } = variables
  return {
    ...parts,
    bucket: variables.ARCO_STORAGE_BUCKET,
    host: variables.TIDEMARK_HOST,
    port: variables.PORT ?? variables.ARCO_HTTP_PORT ?? 8787,
    token_format: variables.TIDEMARK_TOKEN_FORMAT,
    if_match_style: variables.TIDEMARK_S3_IF_MATCH,
    certified: certified === 'startup' ? 'startup' : certified === 'true',
    settings: settingsOf(variables),
    compactor: compactorSettingsOf(variables),
    automation: automationOf(variables),
    limits: limitsConfigOf(variables, parts.auth.posture),
    health: healthConfigOf(variables),
    log_format: variables.ARCO_LOG_FORMAT,
  }
}

/** A folder or memory behind a loopback address: the only deployment whose posture need not be named. */
function isLocal({ ARCO_STORAGE_BUCKET: { kind }, TIDEMARK_HOST: host }: Variables): boolean {
  return (kind === 'file' || kind === 'memory') && LOOPBACK.has(host)
}

/** Ids where the configuration has none; only the dev posture may rely on them. */
function scopeOf({ ARCO_TENANT_ID: tenant, ARCO_WORKSPACE_ID: workspace }: Variables): Scope {
  return { tenant: tenant ?? 'dev', workspace: workspace ?? 'main' }
}

/** What the posture asks of the other variables. */
function postureProblems(variables: Variables, { posture }: AuthConfig): string[] {
  if (posture === 'dev') {
    return LOOPBACK.has(variables.TIDEMARK_HOST)
      ? []
      : [
          'TIDEMARK_HOST: expected a loopback address in the dev posture, which asks for no credentials; name another posture with ARCO_ENVIRONMENT=prod',
        ]
  }
  return (['ARCO_TENANT_ID', 'ARCO_WORKSPACE_ID'] as const)
    .filter((name) => variables[name] === undefined)
    .map((name) => `${name}: required outside the dev posture`)
}

function contextOf({ ARCO_STORAGE_BUCKET: bucket }: Variables, scope: Scope): RootContext {
  return { ...scope, bucket: bucketName(bucket) }
}

function settingsOf(variables: Variables): DeltaSettings {
  const adopts = listed(variables.TIDEMARK_ADOPT_TABLES)
  const seals = listed(variables.TIDEMARK_SEAL_TABLES)
  return {
    ...DEFAULT_SETTINGS,
    validation: variables.TIDEMARK_STAGE_VALIDATION,
    unknownOwner: (table_id) => (adopts(table_id) ? 'adopt' : 'refuse'),
    lostPayload: (table_id) => (seals(table_id) ? 'seal' : 'abandon'),
  }
}

function listed(list: string | undefined): (table_id: string) => boolean {
  if (list === undefined) return () => false
  if (list === '*') return () => true
  const ids = new Set(list.split(',').map((id) => parseTableId(id.trim())))
  return (table_id) => ids.has(table_id)
}

type ResolverResult =
  | { readonly ok: true; readonly resolver: ResolverConfig }
  | { readonly ok: false; readonly problems: readonly string[] }

function resolverOf(
  { TIDEMARK_RESOLVER: set, TIDEMARK_TABLES: map }: Readonly<Record<string, string | undefined>>,
  context: RootContext,
): ResolverResult {
  const mode = RESOLVER_MODES.find((each) => each === set)
  if (mode !== 'static') {
    return map === undefined
      ? { ok: true, resolver: { mode: mode ?? 'auto' } }
      : { ok: false, problems: ['TIDEMARK_TABLES: set only with TIDEMARK_RESOLVER=static'] }
  }
  const parsed = z.record(z.string(), z.string().nullable()).safeParse(parseOrNull(map ?? ''))
  if (!parsed.success) {
    return {
      ok: false,
      problems: ['TIDEMARK_TABLES: expected a JSON object of table id to location or null'],
    }
  }
  const tables = new Map<string, string | null>()
  const problems: string[] = []
  for (const [id, location] of Object.entries(parsed.data)) {
    const table_id = parseTableId(id)
    if (table_id === null) problems.push(`TIDEMARK_TABLES: ${JSON.stringify(id)} is not a table id`)
    else if (tables.has(table_id)) problems.push(`TIDEMARK_TABLES: ${table_id} is there twice`)
    else if (normaliseRoot(table_id, location, context) === null) {
      problems.push(`TIDEMARK_TABLES: the location of ${table_id} is not usable (spec/storage.md 3.4)`)
    } else tables.set(table_id, location)
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, resolver: { mode: 'static', tables } }
}

function parseOrNull(text: string): unknown {
  try {
    return parseJson(text)
  } catch {
    return null
  }
}

/** The name of every variable that is read, for documents. */
export const VARIABLE_NAMES: readonly string[] = Object.keys(Variables.shape)
